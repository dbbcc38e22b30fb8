import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from dispatch.models import Delivery, Event
from dispatch.publish import publish_event
from dispatch.selection import first_id
from subscriptions.models import ApiKey, EventType
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import NOON, EndpointFactory, EventFactory, EventTypeFactory, SubscriberFactory
from tests.statements import all_statements


def test_an_event_is_published_to_every_endpoint_that_wants_it(api: ApiClient):
    wanting = [EndpointFactory(event_types=["invoice.*"]), EndpointFactory()]
    EndpointFactory(event_types=["order.created"])
    response = api.post("events/", {"type": "invoice.paid", "data": {"amount": 100, "to": "Zoë"}})
    event = Event.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": event.id,
        "type": "invoice.paid",
        "subscriber": None,
        "channels": [],
        "idempotency_key": None,
        "ordering_key": "",
        "created_at": event.created_at.isoformat().replace("+00:00", "Z"),
        "deliver_after": None,
        "data": {"amount": 100, "to": "Zoë"},
    }
    assert event.payload == '{"amount":100,"to":"Zoë"}'
    assert {delivery.endpoint for delivery in event.deliveries.all()} == set(wanting)


@pytest.mark.parametrize("text", ["id", "uid"])
def test_an_event_may_be_for_one_subscriber(api: ApiClient, text: str):
    endpoint = EndpointFactory(subscriber__uid="acme")
    EndpointFactory()
    subscriber = endpoint.subscriber
    body = {"type": "invoice.paid", "data": 1, "subscriber": getattr(subscriber, text)}
    assert api.post("events/", body).json()["subscriber"] == subscriber.id
    assert Delivery.objects.get().endpoint == endpoint


@pytest.mark.parametrize("data", [None, True, 0, -1.5, "", "text", [], {}, [None, {"a": [1]}], "\x00", 10**400])
def test_data_may_be_whatever_json_can_say(api: ApiClient, data: Any):
    response = api.post("events/", {"type": "invoice.paid", "data": data})
    assert (response.status_code, response.json()["data"]) == (201, data)
    assert api.get(f"events/{response.json()['id']}/").json()["data"] == data


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"type": "invoice.paid"}, "data", "This field is required."),
        ({"data": 1}, "type", "This field is required."),
        (
            {"type": "invoice paid", "data": 1},
            "type",
            "'invoice paid' is not an event type: write words of letters, digits, '_' and '-' with dots between them, "
            "such as invoice.paid, at most 128 characters.",
        ),
        (
            {"type": "invoice.paid", "data": 1, "subscriber": "nobody"},
            "subscriber",
            "There is no subscriber with the id or uid 'nobody'.",
        ),
        ({"type": "invoice.paid", "data": 1, "subscriber": "a\x00"}, "subscriber", "Null characters are not allowed."),
        (
            {"type": "invoice.paid", "data": 1, "idempotency_key": "a" * 201},
            "idempotency_key",
            "An idempotency key must be 1 to 200 printable characters long.",
        ),
        ({"type": "invoice.paid", "data": 1, "idempotency_key": 5}, "idempotency_key", "Not a valid string."),
        ({"type": "invoice.paid", "data": 1, "payload": 1}, "payload", "There is no such field."),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing_behind(
    api: ApiClient, body: dict[str, Any], field: str, message: str
):
    EndpointFactory()
    assert_refused(api.post("events/", body), field, message)
    assert not Event.objects.exists()
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("data", ['"\\ud800"', "1e999"])
def test_data_that_cannot_be_sent_is_refused(api: ApiClient, data: str):
    response = api.send("POST", "events/", f'{{"type": "invoice.paid", "data": {data}}}')
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "data"
    assert response.json()["errors"][0]["message"].startswith("The payload cannot be written as JSON: ")
    assert not Event.objects.exists()


def test_data_over_the_limit_is_refused(api: ApiClient, settings: Settings):
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, payload_limit=100)
    EndpointFactory()
    assert api.post("events/", {"type": "invoice.paid", "data": "é" * 49}).status_code == 201
    assert_refused(
        api.post("events/", {"type": "invoice.paid", "data": "é" * 50}),
        "data",
        "The payload is 102 bytes as JSON, more than the 100 that are allowed. Send a link instead.",
    )
    assert (Event.objects.count(), Delivery.objects.count()) == (1, 1)


def test_an_unknown_type_is_refused_where_types_are_enforced(api: ApiClient, settings: Settings):
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, enforce_event_types=True)
    EndpointFactory()
    EventTypeFactory(name="invoice.paid")
    assert_refused(
        api.post("events/", {"type": "invoice.piad", "data": 1}),
        "type",
        "There is no event type 'invoice.piad'. Create it first.",
    )
    assert not Event.objects.exists()
    assert api.post("events/", {"type": "invoice.paid", "data": 1}).status_code == 201


def test_the_same_idempotency_key_gives_the_first_event(api: ApiClient):
    EndpointFactory()
    body = {"type": "invoice.paid", "data": {"amount": 100}, "idempotency_key": "order 42"}
    first, second = api.post("events/", body), api.post("events/", body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"data": {"amount": 200}},
        {"type": "invoice.sent"},
        {"channels": ["a"]},
        {"ordering_key": "customer 7"},
        {"subscriber": "acme"},
        {"deliver_after": "2026-03-01T12:00:00Z"},
    ],
)
def test_the_same_idempotency_key_for_another_event_is_a_conflict(api: ApiClient, other: dict[str, Any]):
    SubscriberFactory(uid="acme")
    body = {"type": "invoice.paid", "data": {"amount": 100}, "idempotency_key": "order 42"}
    api.post("events/", body)
    message = "The idempotency key 'order 42' was used before, for another event."
    assert_problem(
        api.post("events/", body | other),
        409,
        "Conflict",
        f"idempotency_key: {message}",
        {"idempotency_key": message},
    )
    assert Event.objects.count() == 1


def test_publishing_takes_few_statements_however_many_endpoints_there_are(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    subscriber = SubscriberFactory(uid="acme")
    EndpointFactory.create_batch(5, subscriber=subscriber)
    body = {"type": "invoice.paid", "data": 1, "subscriber": "acme", "idempotency_key": "order 42"}
    # The API key, the type (both are known for a second then) and the subscriber, then all in one statement that Django
    # does not count, or on SQLite the event, its endpoints and the deliveries, between SAVEPOINT and RELEASE.
    with django_assert_num_queries(3 if connection.vendor == "postgresql" else 8):
        assert api.post("events/", body).status_code == 201


def test_an_event_is_read_with_its_deliveries(api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries):
    endpoints = EndpointFactory.create_batch(3)
    event = publish_event("invoice.paid", {"amount": 100}).event
    with django_assert_num_queries(3):
        seen = api.get(f"events/{event.id}/").json()
    assert (seen["id"], seen["data"], seen["all_deliveries"]) == (event.id, {"amount": 100}, None)
    created_at = event.created_at.isoformat().replace("+00:00", "Z")
    assert seen["deliveries"] == [
        {
            "id": Delivery.objects.get(endpoint=endpoint).id,
            "event": event.id,
            "event_type": "invoice.paid",
            "endpoint": endpoint.id,
            "subscriber": endpoint.subscriber_id,
            "status": "pending",
            "note": "",
            "trigger": "schedule",
            "attempt_count": 0,
            "next_attempt_at": created_at,
            "last_outcome": None,
            "last_status_code": None,
            "created_at": created_at,
            "finished_at": None,
        }
        for endpoint in endpoints
    ]


def test_an_event_of_very_many_deliveries_says_where_the_others_are(api: ApiClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dispatch.api.views._DELIVERIES_OF_ONE_EVENT", 2)
    EndpointFactory.create_batch(3)
    event = publish_event("invoice.paid", {}).event
    seen = api.get(f"events/{event.id}/").json()
    assert len(seen["deliveries"]) == 2
    assert seen["all_deliveries"] == f"http://testserver/api/v1/deliveries/?event={event.id}"
    assert len(api.get("deliveries/", event=event.id).json()["results"]) == 3


def test_events_are_listed_without_their_data_in_two_statements(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    events = EventFactory.create_batch(3)
    with django_assert_num_queries(2):
        page = api.get("events/").json()
    assert [row["id"] for row in page["results"]] == [event.id for event in reversed(events)]
    fields = {"id", "type", "subscriber", "channels", "idempotency_key", "ordering_key", "created_at", "deliver_after"}
    assert set(page["results"][0]) == fields


def test_events_are_listed_by_when_they_were_made(api: ApiClient):
    early, late = [EventFactory(id=first_id("evt", NOON + timedelta(hours=hours))) for hours in (0, 2)]

    def found(**query: str) -> list[str]:
        return [row["id"] for row in api.get("events/", **query).json()["results"]]

    assert found(created_before="2026-03-01T13:00:00Z") == [early.id]
    assert found(created_after="2026-03-01T13:00:00Z", type="invoice.paid") == [late.id]


@pytest.mark.parametrize("header", [None, "key"])
@pytest.mark.parametrize("path", ["events/", "events/batch/"])
def test_publishing_takes_at_most_six_statements(api: ApiClient, path: str, header: str | None):
    """Authentication, idempotency of both kinds, fan-out and answer."""
    EndpointFactory.create_batch(3, subscriber=SubscriberFactory(uid="acme"))
    events = [
        {"type": "invoice.paid", "data": {}, "subscriber": "acme", "idempotency_key": f"k{n}"}
        for n in range(50 if path == "events/batch/" else 1)
    ]
    ApiKey.objects.distrust()
    EventType.objects.forget()
    if header is not None:
        api._headers["Idempotency-Key"] = header
    # On SQLite, which is asked within the process, an event takes three statements instead of one for all.
    more = 0 if connection.vendor == "postgresql" else 3 * len(events) - 1
    with all_statements() as sent:
        response = api.post(path, events[0] if path == "events/" else {"events": events})
    assert response.status_code in {200, 201}
    assert Delivery.objects.count() == 3 * len(events)
    assert any("dispatch_delivery" in each for each in sent)
    assert len(sent) <= 6 + more, sent


def test_an_event_may_be_sent_later(api: ApiClient):
    EndpointFactory()
    later = (timezone.now() + timedelta(days=1)).replace(microsecond=0)
    text = later.isoformat().replace("+00:00", "Z")
    first = api.post("events/", {"type": "a.b", "data": 1, "deliver_after": text})
    assert (first.status_code, first.json()["deliver_after"]) == (201, text)
    batch = api.post("events/batch/", {"events": [{"type": "a.b", "data": 1, "deliver_after": text}]})
    assert batch.json()["results"][0]["event"]["deliver_after"] == text
    assert set(Delivery.objects.values_list("next_attempt_at", flat=True)) == {later}


@pytest.mark.parametrize(
    "text", ["2026-03-01T12:00:00", "2026-03-01", 5, "", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_is_one_that_there_is_and_names_its_zone(api: ApiClient, text: object):
    message = "Write a time with its zone, such as 2026-03-01T12:00:00Z."
    response = api.post("events/", {"type": "a.b", "data": 1, "deliver_after": text})
    assert_refused(response, "deliver_after", message)
    assert_refused(api.get("events/", created_after=str(text) or "x"), "created_after", message)


def test_events_are_listed_by_type_and_subscriber(api: ApiClient):
    acme = SubscriberFactory(uid="acme")
    paid = EventFactory(type="invoice.paid", subscriber=acme)
    created = EventFactory(type="order.created", subscriber=acme)
    for_all = EventFactory(type="invoice.paid")

    def found(**query: str) -> list[str]:
        return [row["id"] for row in api.get("events/", **query).json()["results"]]

    assert found(type="invoice.paid") == [for_all.id, paid.id]
    assert found(subscriber="acme") == found(subscriber=acme.id) == [created.id, paid.id]
    assert found(type="invoice.paid", subscriber="acme") == [paid.id]
    assert found(type="invoice") == []


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"subscriber": "nobody"}, "subscriber", "There is no subscriber with the id or uid 'nobody'."),
        ({"type": "\x00"}, "type", "Null characters are not allowed."),
        ({"typ": "invoice.paid"}, "typ", "There is no such field."),
    ],
)
def test_a_wrong_filter_is_refused(api: ApiClient, query: dict[str, str], field: str, message: str):
    assert_refused(api.get("events/", **query), field, message)


@pytest.mark.parametrize("time", ["12:00:00Z", "12:00:00.250000+02:00", None])
def test_publishing_answers_with_what_reading_the_event_answers_with(api: ApiClient, time: str | None):
    deliver_after = time and f"{timezone.now() + timedelta(days=2):%Y-%m-%d}T{time}"
    subscriber = SubscriberFactory().id
    fields = {"idempotency_key": "k", "ordering_key": "o", "channels": ["eu"], "deliver_after": deliver_after}
    event = {"type": "invoice.paid", "data": [1], "subscriber": subscriber, **fields}
    published = api.post("events/", event).json()
    [in_batch] = api.post("events/batch/", {"events": [event]}).json()["results"]
    read = api.get(f"events/{published['id']}/").json()
    assert published == {name: value for name, value in read.items() if name in published}
    assert in_batch["event"] | {"data": [1]} == published
    assert set(read) - set(published) == {"deliveries", "all_deliveries"}


@pytest.mark.parametrize("text", ["nothing", "evt_nothing", "dlv_06asqfjqg1tbp3ff04hkaps9lc", "%00"])
def test_an_event_that_does_not_exist_is_404(api: ApiClient, text: str):
    assert api.get(f"events/{text}/").status_code == 404
