"""Who may use which route of the API, and that a subscriber's key never learns of what is another's.

`ROUTES` is checked against the URL map: a route or a method without an entry fails here.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from subscriptions.api.base import Many
from subscriptions.models import AuditEntry, Endpoint, EventType, Scope, Subscriber
from tests.api_client import ApiClient
from tests.factories import (
    ApiKeyFactory,
    AttemptFactory,
    BulkJobFactory,
    DeliveryFactory,
    EndpointFactory,
    EventFactory,
    EventTypeFactory,
    SigningSecretFactory,
    SubscriberFactory,
)
from tests.statements import all_statements

pytestmark = pytest.mark.django_db

# By address: which scopes may use which method. a: admin, p: publish, r: read, s: subscriber, for what is its own.
# What stands in braces is one of the objects that `objects_of` makes; of those in `OF_NOBODY` there is no own one.
ROUTES: dict[str, dict[str, str]] = {
    "api-keys/": {"GET": "a", "POST": "a"},
    "api-keys/{api_key}/": {"GET": "a"},
    "api-keys/{api_key}/expire/": {"POST": "a"},
    "api-keys/{api_key}/revoke/": {"POST": "a"},
    "audit-log/": {"GET": "a"},
    "deliveries/": {"GET": "ars"},
    "attempts/": {"GET": "ars"},
    "attempts/{attempt}/": {"GET": "ars"},
    "attempts/{attempt}/curl/": {"POST": "as"},
    "deliveries/cancel/": {"POST": "as"},
    "deliveries/retry/": {"POST": "as"},
    "deliveries/{delivery}/": {"GET": "ars"},
    "deliveries/{delivery}/cancel/": {"POST": "as"},
    "deliveries/{delivery}/retry/": {"POST": "as"},
    "endpoints/": {"GET": "ars", "POST": "as"},
    "endpoints/{endpoint}/": {"GET": "ars", "PATCH": "as", "DELETE": "as"},
    "endpoints/{endpoint}/credentials/": {"PUT": "as"},
    "endpoints/{endpoint}/disable/": {"POST": "as"},
    "endpoints/{endpoint}/enable/": {"POST": "as"},
    "endpoints/{endpoint}/headers/": {"PUT": "as"},
    "endpoints/{endpoint}/pause/": {"POST": "as"},
    "endpoints/{endpoint}/resume/": {"POST": "as"},
    "endpoints/{endpoint}/secret/": {"POST": "as"},
    "endpoints/{endpoint}/secret/rotate/": {"POST": "as"},
    "endpoints/{endpoint}/secrets/": {"GET": "ars"},
    "endpoints/{endpoint}/secrets/{secret}/expire/": {"POST": "as"},
    "endpoints/{endpoint}/secrets/{secret}/reveal/": {"POST": "as"},
    "endpoints/{endpoint}/stats/": {"GET": "ars"},
    "endpoints/{endpoint}/test/": {"POST": "as"},
    "endpoints/{endpoint}/tls/": {"GET": "ars", "PATCH": "as"},
    "endpoints/{endpoint}/verify/": {"POST": "as"},
    "event-types/": {"GET": "ars", "POST": "a"},
    "event-types/{event_type}/": {"GET": "ars", "PATCH": "a", "DELETE": "a"},
    "events/": {"GET": "ars", "POST": "ap"},
    "events/batch/": {"POST": "ap"},
    "events/feed/": {"GET": "ars"},
    "events/{event}/": {"GET": "ars"},
    "events/{event}/why/": {"GET": "ars"},
    "jobs/": {"GET": "ars"},
    "jobs/{job}/": {"GET": "ars"},
    "jobs/{job}/stop/": {"POST": "as"},
    "subscribers/": {"GET": "ars", "POST": "a"},
    "subscribers/{subscriber}/": {"GET": "ars", "PATCH": "a", "DELETE": "a"},
}
OPEN_TO_ALL = {"docs/", "egress-ips/", "health/live/", "health/ready/", "schema/"}
OF_NOBODY = {"api_key", "event_type"}
SCOPES = {"a": Scope.ADMIN, "p": Scope.PUBLISH, "r": Scope.READ, "s": Scope.SUBSCRIBER}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
CASES = [(route, method) for route, methods in ROUTES.items() for method in methods]
OWNED = [
    (route, method)
    for route, method in CASES
    if "s" in ROUTES[route][method] and set(re.findall(r"{(\w+)}", route)) - OF_NOBODY
]


def objects_of(subscriber: Subscriber) -> dict[str, str]:
    """Make one of everything that belongs to a subscriber, by the names that stand in addresses."""
    endpoint = EndpointFactory(subscriber=subscriber)
    delivery = DeliveryFactory(endpoint=endpoint, event=EventFactory(subscriber=subscriber))
    attempt = AttemptFactory(delivery=delivery)
    return {
        "subscriber": subscriber.id,
        "endpoint": endpoint.id,
        "secret": endpoint.signing_secrets.get().id,
        "event": delivery.event_id,
        "delivery": delivery.id,
        "attempt": attempt.id,
        "job": BulkJobFactory(subscriber=subscriber).id,
    }


@pytest.fixture
def mine() -> dict[str, str]:
    return objects_of(SubscriberFactory(uid="mine"))


@pytest.fixture
def theirs() -> dict[str, str]:
    return objects_of(SubscriberFactory(uid="theirs"))


@pytest.fixture
def of_nobody() -> dict[str, str]:
    return {"api_key": ApiKeyFactory().id, "event_type": EventTypeFactory().name}


def client(letter: str, mine: dict[str, str]) -> ApiClient:
    scope = SCOPES[letter]
    owner = Subscriber.objects.get(pk=mine["subscriber"]) if scope is Scope.SUBSCRIBER else None
    return ApiClient.with_new_key(scope, owner)


def send(api: ApiClient, method: str, path: str) -> Any:
    return api.get(path) if method == "GET" else api.send(method, path, "{}")


def routes(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for part in resolver.url_patterns:
        address = before + str(part.pattern)
        if isinstance(part, URLResolver):
            yield from routes(part, address)
        elif hasattr(part.callback, "cls"):
            yield address.removeprefix("api/v1/"), part


def shape(address: str) -> str:
    """Write `endpoints/<str:id>/`, or a regular expression of the same, as `endpoints/{}/`."""
    address = re.sub(r"\(\?P<\w+>[^)]*\)|<[^>]*>", "{}", address)
    return address.replace("^", "").replace("/?$", "/").replace("$", "")


def shape_of_entry(address: str) -> str:
    return re.sub(r"{\w+}", "{}", address)


def test_every_route_and_method_has_an_entry():
    in_use = {
        shape(address): {method for method in METHODS if hasattr(part.callback.cls, method.lower())}
        for address, part in routes(get_resolver())
    }
    entries = {shape_of_entry(address): set(methods) for address, methods in ROUTES.items()}
    assert entries | {address: {"GET"} for address in OPEN_TO_ALL} == in_use


@pytest.mark.parametrize(("route", "method"), CASES)
def test_a_scope_may_do_what_its_entry_says(route: str, method: str, of_nobody: dict[str, str]):
    for letter in SCOPES:
        # New ones for each, as some methods delete them.
        mine = objects_of(SubscriberFactory())
        path = route.format(**mine, **of_nobody)
        status = send(client(letter, mine), method, path).status_code
        if letter in ROUTES[route][method]:
            assert status in {200, 201, 202, 204, 400, 409, 422}, (letter, status)
        else:
            assert status == 403, letter
        assert send(ApiClient(), method, path).status_code == 401


@pytest.mark.parametrize(("route", "method"), OWNED)
def test_what_is_another_subscribers_is_not_there(
    route: str, method: str, mine: dict[str, str], theirs: dict[str, str], of_nobody: dict[str, str]
):
    api = client("s", mine)
    foreign = send(api, method, route.format(**theirs, **of_nobody))
    assert foreign.status_code == 404
    # In the same words as for what was never there.
    invented = {name: f"{text[:-4]}0000" for name, text in theirs.items()}
    missing = send(api, method, route.format(**invented, **of_nobody))
    words = foreign.content.decode()
    for name, text in theirs.items():
        words = words.replace(text, invented[name])
    assert (missing.status_code, missing.content.decode()) == (404, words)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("route", [route for route in ROUTES if "s" in ROUTES[route].get("GET", "")])
def test_nothing_that_is_read_names_what_is_another_subscribers(
    route: str, mine: dict[str, str], theirs: dict[str, str], of_nobody: dict[str, str]
):
    api = client("s", mine)
    text = api.get(route.format(**mine, **of_nobody)).content.decode()
    for name, foreign in theirs.items():
        assert foreign not in text, name
    assert "theirs" not in text


def test_what_is_mine_does_not_lead_to_what_is_theirs(mine: dict[str, str], theirs: dict[str, str]):
    api = client("s", mine)
    mixed = mine | {"secret": theirs["secret"]}
    assert api.post("endpoints/{endpoint}/secrets/{secret}/reveal/".format(**mixed), {}).status_code == 404
    for name in ("endpoint", "event"):
        assert api.get("deliveries/", **{name: theirs[name]}).json()["results"] == []


@pytest.mark.parametrize(("route", "method"), OWNED)
def test_a_foreign_row_takes_the_same_statements_as_one_that_is_not_there(
    route: str, method: str, mine: dict[str, str], theirs: dict[str, str], of_nobody: dict[str, str]
):
    api = client("s", mine)
    api.get("endpoints/")
    taken = []
    for objects in (theirs, {name: f"{text[:-4]}0000" for name, text in theirs.items()}):
        with all_statements() as sent:
            assert send(api, method, route.format(**objects, **of_nobody)).status_code == 404
        taken.append([re.split(r" WHERE ", each)[0] for each in sent])
    assert taken[0] == taken[1] != []


def lists() -> list[str]:
    views = {shape(address): part.callback.cls for address, part in routes(get_resolver())}
    return [
        route
        for route, methods in ROUTES.items()
        if "GET" in methods and issubclass(views[shape_of_entry(route)], Many)
    ]


@pytest.mark.parametrize("route", lists())
def test_a_list_takes_as_many_statements_however_long_it_is(route: str):
    api = ApiClient.with_new_key()
    acme = SubscriberFactory()
    objects = objects_of(acme)
    endpoint = Endpoint.objects.get(pk=objects["endpoint"])

    def more() -> None:
        objects_of(acme)
        EventTypeFactory()
        ApiKeyFactory()
        Subscriber.objects.register(name="Another")
        SigningSecretFactory(endpoint=endpoint)

    def read() -> tuple[int, int]:
        with all_statements() as sent:
            rows = api.get(route.format(**objects)).json()["results"]
        return len(rows), len(sent)

    more()
    api.get(route.format(**objects))
    few, statements = read()
    for _ in range(3):
        more()
    many, statements_then = read()
    assert many > few > 0
    assert statements_then == statements <= 4


def test_event_types_belong_to_nobody(mine: dict[str, str]):
    EventTypeFactory(name="invoice.paid")
    assert client("s", mine).get("event-types/invoice.paid/").json()["name"] == EventType.objects.get().name
