from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import (
    NOON,
    AttemptFactory,
    DeliveryFactory,
    EndpointFactory,
    EventFactory,
    SubscriberFactory,
)

ABSENT = "06asqfjqg1tbp3ff04hkaps9lc"


def found(api: ApiClient, **query: str) -> list[str]:
    return [row["id"] for row in api.get("deliveries/", **query).json()["results"]]


def test_a_delivery_is_read_with_its_attempts(api: ApiClient):
    delivery = DeliveryFactory(
        status="delivered",
        next_attempt_at=None,
        attempt_count=2,
        last_outcome="success",
        last_status_code=200,
        finished_at=NOON + timedelta(seconds=5),
    )
    second = AttemptFactory(delivery=delivery, number=2, started_at=NOON + timedelta(seconds=5))
    first = AttemptFactory(
        delivery=delivery,
        number=1,
        outcome="timeout",
        status_code=None,
        error="No answer within 15 s.",
        duration_ms=15000,
        response_headers={},
        response_body="",
    )
    assert api.get(f"deliveries/{delivery.id}/").json() == {
        "id": delivery.id,
        "event": delivery.event_id,
        "event_type": "invoice.paid",
        "endpoint": delivery.endpoint_id,
        "subscriber": delivery.endpoint.subscriber_id,
        "status": "delivered",
        "note": "",
        "trigger": "schedule",
        "attempt_count": 2,
        "next_attempt_at": None,
        "last_outcome": "success",
        "last_status_code": 200,
        "created_at": "2026-03-01T12:00:00Z",
        "finished_at": "2026-03-01T12:00:05Z",
        "attempts": [
            {
                "id": first.id,
                "number": 1,
                "trigger": "schedule",
                "outcome": "timeout",
                "status_code": None,
                "error": "No answer within 15 s.",
                "started_at": "2026-03-01T12:00:00Z",
                "duration_ms": 15000,
                "dns_ms": None,
                "connect_ms": None,
                "tls_ms": None,
                "first_byte_ms": None,
                "remote_address": "192.0.2.1:443",
                "worker": "worker-1",
                "response_headers": {},
                "response_body": "",
            },
            {
                "id": second.id,
                "number": 2,
                "trigger": "schedule",
                "outcome": "success",
                "status_code": 200,
                "error": "",
                "started_at": "2026-03-01T12:00:05Z",
                "duration_ms": 12,
                "dns_ms": None,
                "connect_ms": None,
                "tls_ms": None,
                "first_byte_ms": None,
                "remote_address": "192.0.2.1:443",
                "worker": "worker-1",
                "response_headers": {"Content-Type": "text/plain"},
                "response_body": "ok",
            },
        ],
    }


def test_a_list_has_the_attempts_but_not_what_the_receivers_answered(api: ApiClient):
    AttemptFactory(delivery=DeliveryFactory())
    ((row),) = api.get("deliveries/").json()["results"]
    assert [attempt["number"] for attempt in row["attempts"]] == [1]
    assert {"response_headers", "response_body"} & set(row["attempts"][0]) == set()


def test_a_list_takes_three_statements_however_long_it_is(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    for delivery in DeliveryFactory.create_batch(4):
        for number in (2, 1):
            AttemptFactory(delivery=delivery, number=number)
    with django_assert_num_queries(3):
        page = api.get("deliveries/").json()
    assert [[attempt["number"] for attempt in row["attempts"]] for row in page["results"]] == [[1, 2]] * 4


def test_one_delivery_takes_three_statements(api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries):
    delivery = DeliveryFactory()
    for number in (1, 2, 3):
        AttemptFactory(delivery=delivery, number=number)
    with django_assert_num_queries(3):
        assert len(api.get(f"deliveries/{delivery.id}/").json()["attempts"]) == 3


def test_deliveries_are_listed_by_subscriber_endpoint_event_type_and_status(api: ApiClient):
    acme = SubscriberFactory(uid="acme")
    billing, shipping = EndpointFactory.create_batch(2, subscriber=acme)
    paid, created = EventFactory(type="invoice.paid"), EventFactory(type="order.created")
    first = DeliveryFactory(endpoint=billing, event=paid)
    second = DeliveryFactory(endpoint=shipping, event=paid, status="failed", next_attempt_at=None)
    third = DeliveryFactory(endpoint=billing, event=created)
    foreign = DeliveryFactory(event=paid)
    assert found(api) == [foreign.id, third.id, second.id, first.id]
    assert found(api, subscriber="acme") == found(api, subscriber=acme.id) == [third.id, second.id, first.id]
    assert found(api, endpoint=billing.id) == [third.id, first.id]
    assert found(api, event=paid.id) == [foreign.id, second.id, first.id]
    assert found(api, event_type="order.created") == [third.id]
    assert found(api, status="failed") == [second.id]
    assert found(api, endpoint=billing.id, event=paid.id, status="pending", limit="1") == [first.id]


def test_what_does_not_exist_has_no_deliveries(api: ApiClient):
    DeliveryFactory()
    assert found(api, endpoint=f"ep_{ABSENT}") == found(api, event=f"evt_{ABSENT}") == []


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"endpoint": "nothing"}, "endpoint", "'nothing' is not an id that starts with ep_."),
        ({"endpoint": f"evt_{ABSENT}"}, "endpoint", f"'evt_{ABSENT}' is not an id that starts with ep_."),
        ({"event": "%00"}, "event", "'%00' is not an id that starts with evt_."),
        ({"subscriber": "nobody"}, "subscriber", "There is no subscriber with the id or uid 'nobody'."),
        (
            {"status": "done"},
            "status",
            "done is unknown: write one of pending, sending, delivered, failed, cancelled.",
        ),
        ({"state": "failed"}, "state", "There is no such field."),
    ],
)
def test_a_wrong_filter_is_refused(api: ApiClient, query: dict[str, str], field: str, message: str):
    assert_refused(api.get("deliveries/", **query), field, message)


@pytest.mark.parametrize("text", ["nothing", "dlv_nothing", f"dlv_{ABSENT}", "%00"])
def test_a_delivery_that_does_not_exist_is_404(api: ApiClient, text: str):
    assert api.get(f"deliveries/{text}/").status_code == 404


def test_deliveries_are_not_created_by_hand(api: ApiClient):
    assert_problem(api.post("deliveries/", {}), 405, "Method Not Allowed", 'Method "POST" not allowed.', errors={})
