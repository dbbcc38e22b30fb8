"""Publishing, on a real database. Delivery itself is tested elsewhere."""

import dataclasses
import json
import math
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from dispatch.fan_out import finish_all, finish_fan_out
from dispatch.models import Delivery, Event
from dispatch.outbox import continue_event, unfinished_events
from dispatch.publish import IdempotencyConflict, Published, PublishRefused, Wanted, publish_event, publish_events
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState, EventTypePattern
from tests.factories import NOON, EndpointFactory, EventTypeFactory, SubscriberFactory

pytestmark = pytest.mark.django_db


def test_nothing_is_sent_before_it_may_be() -> None:
    EndpointFactory()
    later = NOON + timedelta(days=30)
    event = publish_event("invoice.paid", {}, deliver_after=later, now=NOON).event
    assert (Event.objects.get().deliver_after, event.deliveries.get().next_attempt_at) == (later, later)
    assert event.deliveries.get().created_at == NOON


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (NOON.replace(tzinfo=None), "Name the time zone, as in 2026-03-01T12:00:00Z."),
        (NOON + timedelta(days=30, seconds=1), "The latest time that is allowed now is 2026-03-31T12:00:00Z."),
    ],
)
def test_a_time_that_is_too_late_or_without_a_zone_is_refused(moment: datetime, message: str) -> None:
    with pytest.raises(PublishRefused) as refused:
        publish_event("invoice.paid", {}, deliver_after=moment, now=NOON)
    assert (refused.value.field, str(refused.value)) == ("deliver_after", message)


def test_an_idempotency_key_belongs_to_one_time_too() -> None:
    first = publish_event("invoice.paid", {}, idempotency_key="k", deliver_after=NOON, now=NOON)
    assert not publish_event("invoice.paid", {}, idempotency_key="k", deliver_after=NOON, now=NOON).created
    with pytest.raises(IdempotencyConflict):
        publish_event("invoice.paid", {}, idempotency_key="k", now=NOON)
    assert first.created


def receivers_of(event: Event) -> set[str]:
    return {delivery.endpoint_id for delivery in event.deliveries.all()}


def test_the_payload_is_kept_as_the_text_that_is_sent() -> None:
    event = publish_event("invoice.paid", {"b": [1, 2.5, None], "a": "é"}, now=NOON).event

    event.refresh_from_db()
    assert (event.type, event.payload, event.created_at) == ("invoice.paid", '{"b":[1,2.5,null],"a":"é"}', NOON)


@pytest.mark.parametrize("pattern", ["*", "invoice.*", "invoice.paid.*", "invoice.paid.late"])
def test_an_endpoint_gets_the_types_that_it_asked_for(pattern: str) -> None:
    endpoint = EndpointFactory(event_types=[pattern])

    delivery = publish_event("invoice.paid.late", {}, now=NOON).event.deliveries.get()
    assert (delivery.endpoint_id, delivery.status, delivery.next_attempt_at) == (endpoint.id, "pending", NOON)


@pytest.mark.parametrize("pattern", ["invoice.paid.late.*", "invoice", "invoice.paid", "order.*", "Invoice.*"])
def test_an_endpoint_gets_no_other_types(pattern: str) -> None:
    EndpointFactory(event_types=[pattern])

    assert receivers_of(publish_event("invoice.paid.late", {}).event) == set()


def test_an_endpoint_that_asked_twice_for_a_type_gets_one_delivery() -> None:
    endpoint = EndpointFactory(event_types=["*", "invoice.*", "invoice.paid"])

    assert [each.endpoint_id for each in publish_event("invoice.paid", {}).event.deliveries.all()] == [endpoint.id]


def test_an_event_without_a_subscriber_goes_to_the_endpoints_of_all() -> None:
    endpoints = {EndpointFactory().id, EndpointFactory().id}

    assert receivers_of(publish_event("invoice.paid", {}).event) == endpoints


@pytest.mark.parametrize("named_by", ["object", "id", "uid"])
def test_an_event_for_one_subscriber_goes_to_its_endpoints_only(named_by: str) -> None:
    subscriber = SubscriberFactory(uid="acme")
    endpoint = EndpointFactory(subscriber=subscriber)
    EndpointFactory()
    name = {"object": subscriber, "id": subscriber.id, "uid": "acme"}[named_by]

    event = publish_event("invoice.paid", {}, subscriber=name).event
    assert (receivers_of(event), event.subscriber) == ({endpoint.id}, subscriber)


def test_a_paused_endpoint_keeps_its_delivery_and_a_disabled_one_has_it_cancelled() -> None:
    paused, disabled = EndpointFactory(state=EndpointState.PAUSED), EndpointFactory(state=EndpointState.DISABLED)

    event = publish_event("invoice.paid", {}, now=NOON).event
    cancelled = event.deliveries.get(endpoint=disabled)
    assert event.deliveries.get(endpoint=paused).status == "pending"
    assert (cancelled.status, cancelled.finished_at) == ("cancelled", NOON)
    assert cancelled.note == "The endpoint was disabled when the event was published."


def test_a_repeated_key_returns_the_first_event() -> None:
    EndpointFactory()
    first = publish_event("invoice.paid", {"a": 1}, idempotency_key="one")

    assert first.created
    assert publish_event("invoice.paid", {"a": 1}, idempotency_key="one") == Published(first.event, created=False)
    assert (Event.objects.count(), Delivery.objects.count()) == (1, 1)


@pytest.mark.parametrize("other", [{"event_type": "invoice.sent"}, {"data": {"a": 2}}, {"subscriber": "acme"}])
def test_a_key_that_belongs_to_another_event_is_a_conflict(other: dict[str, Any]) -> None:
    SubscriberFactory(uid="acme")
    publish_event("invoice.paid", {"a": 1}, idempotency_key="one")

    with pytest.raises(IdempotencyConflict, match="'one' was used before, for another event") as refused:
        publish_event(**{"event_type": "invoice.paid", "data": {"a": 1}, **other}, idempotency_key="one")
    assert (refused.value.field, Event.objects.count()) == ("idempotency_key", 1)


@pytest.mark.django_db(transaction=True)
def test_twins_with_one_key_publish_one_event() -> None:
    EndpointFactory()
    published: list[Published] = []
    start = threading.Barrier(8)

    def publish() -> None:
        start.wait()
        published.append(publish_event("invoice.paid", {"a": 1}, idempotency_key="one"))
        connection.close()

    twins = [threading.Thread(target=publish) for _ in range(8)]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join()

    assert len(published) == 8
    assert [each.created for each in published].count(True) == 1
    assert len({each.event.id for each in published}) == 1
    assert (Event.objects.count(), Delivery.objects.count()) == (1, 1)


def too_deep() -> object:
    data: list[object] = []
    for _ in range(100_000):
        data = [data]
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (object(), "The payload cannot be written as JSON: Object of type object is not JSON serializable"),
        (math.nan, "The payload cannot be written as JSON: Out of range float values are not JSON compliant"),
        ("\ud800", "The payload cannot be written as JSON: 'utf-8' codec can't encode character"),
        (too_deep(), "The payload cannot be written as JSON: maximum recursion depth exceeded"),
    ],
)
def test_a_payload_that_is_not_json_is_refused(data: object, message: str) -> None:
    EndpointFactory()

    with pytest.raises(PublishRefused) as refused:
        publish_event("invoice.paid", data)
    assert refused.value.field == "data"
    assert str(refused.value).startswith(message)
    assert Event.objects.count() == 0


def test_a_payload_over_the_limit_is_refused(settings: Any) -> None:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, payload_limit=10)
    at_the_limit = publish_event("invoice.paid", "é" * 4).event

    assert len(at_the_limit.payload.encode()) == 10
    with pytest.raises(PublishRefused, match="The payload is 12 bytes as JSON, more than the 10 that are allowed"):
        publish_event("invoice.paid", "é" * 5)
    assert Event.objects.count() == 1


@pytest.mark.parametrize("name", ["", "invoice..paid", "invoice.*", "invoice paid", "é", "a" * 129])
def test_a_name_that_is_no_event_type_is_refused(name: str) -> None:
    with pytest.raises(PublishRefused, match="is not an event type") as refused:
        publish_event(name, {})
    assert refused.value.field == "type"


def test_an_unknown_event_type_is_refused_where_types_are_enforced(settings: Any) -> None:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, enforce_event_types=True)
    EventTypeFactory(name="invoice.paid")

    assert publish_event("invoice.paid", {}).created
    with pytest.raises(PublishRefused, match=r"There is no event type 'invoice.sent'. Create it first."):
        publish_event("invoice.sent", {})


@pytest.mark.parametrize(
    "subscriber", ["nobody", "sub_00000000000000000000000000", "ep_00000000000000000000000000", "\ud800", "\x00"]
)
def test_an_unknown_subscriber_is_refused(subscriber: str) -> None:
    with pytest.raises(PublishRefused, match="There is no subscriber with the id or uid") as refused:
        publish_event("invoice.paid", {}, subscriber=subscriber)
    assert (refused.value.field, Event.objects.count()) == ("subscriber", 0)


@pytest.mark.parametrize("key", ["", "a" * 201, "line\nbreak"])
def test_an_unfit_idempotency_key_is_refused(key: str) -> None:
    with pytest.raises(PublishRefused, match="must be 1 to 200 printable characters long"):
        publish_event("invoice.paid", {}, idempotency_key=key)


@pytest.mark.django_db(transaction=True)
def test_the_event_shares_the_fate_of_the_callers_transaction() -> None:
    EndpointFactory()

    def book_and_fail() -> None:
        with transaction.atomic():
            SubscriberFactory(name="the caller's own row")
            publish_event("invoice.paid", {})
            raise LookupError

    with pytest.raises(LookupError):
        book_and_fail()
    assert (Event.objects.count(), Delivery.objects.count()) == (0, 0)


def test_json_survives_unchanged() -> None:
    data = {"big": 10**40, "float": 0.1, "text": "\x00\u2028\U0001f600", "nested": [[[{}]]]}

    assert json.loads(publish_event("invoice.paid", data).event.payload) == data


def test_many_events_are_answered_one_by_one_in_their_order() -> None:
    acme, other = EndpointFactory(subscriber__uid="acme"), EndpointFactory(event_types=["order.*"])
    earlier = publish_event("invoice.paid", {"n": 0}, idempotency_key="zero").event

    answers = publish_events(
        [
            Wanted("invoice.paid", {"n": 1}, "acme", "one"),
            Wanted("invoice paid", {}),
            Wanted("order.made", {"n": 2}),
            Wanted("invoice.paid", {"n": 0}, None, "zero"),
            Wanted("invoice.paid", {"n": 1}, "acme", "one"),
            Wanted("invoice.paid", {"n": 3}, None, "zero"),
            Wanted("invoice.paid", {}, "nobody"),
        ],
        now=NOON,
    )

    first, wrong_type, second, repeated, twin, conflict, nobody = answers
    assert isinstance(first, Published)
    assert isinstance(second, Published)
    assert (first.created, receivers_of(first.event)) == (True, {acme.id})
    assert (second.created, receivers_of(second.event)) == (True, {acme.id, other.id})
    assert repeated == Published(earlier, created=False)
    assert twin == Published(first.event, created=False)
    assert isinstance(conflict, IdempotencyConflict)
    assert [refused.field for refused in (wrong_type, nobody) if isinstance(refused, PublishRefused)] == [
        "type",
        "subscriber",
    ]
    assert Event.objects.count() == 3


def test_no_events_are_published_at_once() -> None:
    assert publish_events([]) == []


def many_endpoints(number: int) -> set[str]:
    subscriber = SubscriberFactory()
    endpoints = Endpoint.objects.bulk_create(
        Endpoint(subscriber=subscriber, url=f"https://receiver.example/{each}") for each in range(number)
    )
    EventTypePattern.objects.bulk_create(EventTypePattern(endpoint=each, pattern="invoice.*") for each in endpoints)
    return {endpoint.id for endpoint in endpoints}


@pytest.mark.parametrize("number", [1000, 1001, 2500])
def test_a_large_fan_out_is_finished_in_steps(number: int) -> None:
    endpoints = many_endpoints(number)

    event = publish_event("invoice.paid", {}).event
    assert event.deliveries.count() == min(number, 1000)
    finish_all()

    assert receivers_of(event) == endpoints
    assert event.deliveries.count() == number
    assert unfinished_events() == []


def test_an_interrupted_fan_out_goes_on_where_it_stopped() -> None:
    endpoints = many_endpoints(2500)
    event = publish_event("invoice.paid", {}).event
    value = ids.decode("evt", event.id)

    step = continue_event(value, "* invoice.* invoice.paid")
    assert step is not None
    assert (len(step.endpoint_ids), step.is_complete, event.deliveries.count()) == (1000, False, 2000)
    assert unfinished_events() == [(value, "invoice.paid")]
    finish_fan_out(value, "invoice.paid")

    assert receivers_of(event) == endpoints
    assert continue_event(value, "* invoice.* invoice.paid") is None


def test_a_large_fan_out_goes_to_the_named_subscriber_only() -> None:
    many_endpoints(1200)
    subscriber = Endpoint.objects.first()
    assert subscriber is not None
    many_endpoints(10)

    event = publish_event("invoice.paid", {}, subscriber=subscriber.subscriber).event
    finish_all()
    assert event.deliveries.count() == 1200
