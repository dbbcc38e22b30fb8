from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from subscriptions.models import Endpoint, EndpointState, EventTypePattern, SigningSecret
from tests.api_client import ApiClient, assert_refused
from tests.factories import NOON, EndpointFactory, SubscriberFactory

URL = "https://receiver.example/hooks"
OWN = {
    "header": "X-Acme-Signature",
    "digest": "sha1",
    "encoding": "base64",
    "prefix": "sha1=",
    "signed": "{timestamp}.{body}",
    "layout": "plain",
    "timestamp_header": "X-Acme-Timestamp",
}
STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def test_an_endpoint_is_created_and_its_secret_is_shown_this_once(api: ApiClient):
    subscriber = SubscriberFactory(uid="acme")
    response = api.post("endpoints/", {"subscriber": "acme", "url": URL})
    endpoint = Endpoint.objects.get()
    seen_later = {
        "id": endpoint.id,
        "subscriber": subscriber.id,
        "url": URL,
        "description": "",
        "event_types": ["*"],
        "channels": [],
        "payload_format": "data",
        "retry_schedule": None,
        "timeout": None,
        "metadata": {},
        "signature_schemes": ["standard"],
        "warnings": [],
        "state": "active",
        "state_reason": "",
        "state_changed_at": None,
        "verified_at": None,
        "challenge": None,
        "credentials": None,
        "header_names": [],
        "rate_limit": None,
        "rate_period": "second",
        "max_in_flight": None,
        "ordered": False,
        "when_head_fails": "stop",
        "when_disabled": "drop",
        "created_at": endpoint.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert response.status_code == 201
    assert response.json() == seen_later | {"secret": SigningSecret.objects.get().value}
    assert api.get(f"endpoints/{endpoint.id}/").json() == seen_later
    assert api.get("endpoints/").json()["results"] == [seen_later]


def test_everything_about_an_endpoint_can_be_given(api: ApiClient):
    body = {
        "subscriber": SubscriberFactory().id,
        "url": URL,
        "description": "Billing",
        "event_types": ["order.created", "invoice.*"],
        "channels": ["a", "b"],
        "payload_format": "full",
        "retry_schedule": [5, 60.5],
        "timeout": 3,
        "metadata": {"plan": "gold"},
        "signature_schemes": ["standard", "github", OWN],
        "secret": STANDARD,
    }
    response = api.post("endpoints/", body)
    assert response.status_code == 201
    assert {name: response.json()[name] for name in body} == body | {"event_types": ["invoice.*", "order.created"]}
    assert response.json()["warnings"] == [
        "X-Acme-Signature is signed with sha1, which is only for receivers that know nothing else."
    ]


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"subscriber": "nobody"}, "subscriber", "There is no subscriber with the id or uid 'nobody'."),
        ({"subscriber": None}, "subscriber", "This field may not be null."),
        ({"url": "ftp://receiver.example"}, "url", "A URL must start with https:// or http://."),
        ({"url": "receiver.example"}, "url", "A URL must start with https:// or http://."),
        ({"url": 5}, "url", "Not a valid string."),
        ({"secret": "short"}, "secret", "A standard signing secret starts with whsec_."),
        ({"secret": "whsec_AAEC"}, "secret", "A signing secret must be 24 to 64 bytes long, this one is 3."),
        (
            {"signature_schemes": ["md5"]},
            "signature_schemes",
            "'md5' is unknown: write one of standard, x-signature, github, stripe, shopify, "
            "or the settings of a scheme.",
        ),
        (
            {"signature_schemes": [{"header": "Host"}]},
            "signature_schemes",
            "The header Host has a meaning already. Choose another.",
        ),
        ({"signature_schemes": None}, "signature_schemes", "This field may not be null."),
        ({"secret_kind": "rsa"}, "secret_kind", "rsa is unknown: write one of shared, ed25519."),
        ({"event_types": []}, "event_types", "This list may not be empty."),
        ({"event_types": "invoice.paid"}, "event_types", 'Expected a list of items but got type "str".'),
        ({"event_types": ["invoice.paid", 5]}, "event_types.1", "Not a valid string."),
        (
            {"event_types": ["*.paid"]},
            "event_types",
            "'*.paid' is not an event type pattern: write a name (invoice.paid), "
            "a name with a trailing wildcard (invoice.*) or * for all.",
        ),
        ({"state": "paused"}, "state", "There is no such field."),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing_behind(
    api: ApiClient, wrong: dict[str, Any], field: str, message: str
):
    body = {"subscriber": SubscriberFactory().id, "url": URL} | wrong
    assert_refused(api.post("endpoints/", body), field, message)
    assert not Endpoint.objects.exists()
    assert not EventTypePattern.objects.exists()
    assert not SigningSecret.objects.exists()


def test_a_refused_secret_is_not_repeated(api: ApiClient):
    body = {"subscriber": SubscriberFactory().id, "url": URL, "secret": "whsec_only-known-to-the-caller"}
    response = api.post("endpoints/", body)
    assert response.status_code == 400
    assert "only-known-to-the-caller" not in response.content.decode()


def test_the_state_says_why_and_since_when(api: ApiClient):
    endpoint = EndpointFactory()
    endpoint.change_state(EndpointState.DISABLED, reason="It answered 410.", now=NOON)
    seen = api.get(f"endpoints/{endpoint.id}/").json()
    assert (seen["state"], seen["state_reason"], seen["state_changed_at"]) == (
        "disabled",
        "It answered 410.",
        "2026-03-01T12:00:00Z",
    )


def test_endpoints_are_listed_by_subscriber(api: ApiClient):
    acme = SubscriberFactory(uid="acme")
    endpoint = EndpointFactory(subscriber=acme)
    EndpointFactory()
    for text in ("acme", acme.id):
        assert [row["id"] for row in api.get("endpoints/", subscriber=text).json()["results"]] == [endpoint.id]


@pytest.mark.parametrize("text", ["nobody", "sub_06asqfjqg1tbp3ff04hkaps9lc", "a b"])
def test_a_list_for_nobody_is_refused(api: ApiClient, text: str):
    assert_refused(
        api.get("endpoints/", subscriber=text), "subscriber", f"There is no subscriber with the id or uid {text!r}."
    )


def test_a_misspelt_filter_is_refused(api: ApiClient):
    assert_refused(api.get("endpoints/", subscribr="acme"), "subscribr", "There is no such field.")


@pytest.mark.parametrize("text", ["nothing", "ep_nothing", "ep_06asqfjqg1tbp3ff04hkaps9lc", "%00"])
def test_an_endpoint_that_does_not_exist_is_404(api: ApiClient, text: str):
    assert api.get(f"endpoints/{text}/").status_code == 404


def test_a_list_takes_three_statements_however_long_it_is(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    EndpointFactory.create_batch(4, event_types=["invoice.*", "order.*"])
    with django_assert_num_queries(3):
        page = api.get("endpoints/").json()
    assert [row["event_types"] for row in page["results"]] == [["invoice.*", "order.*"]] * 4
