"""What event types mean for publishing."""

import math
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from dispatch.models import Event
from dispatch.publish import PublishRefused, Wanted, publish_event, publish_events, publish_test
from subscriptions.models import EventType
from tests.factories import NOON, EndpointFactory, EventTypeFactory

pytestmark = pytest.mark.django_db
SCHEMA = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}


def refusal(event_type: str, data: Any) -> tuple[str, str]:
    with pytest.raises(PublishRefused) as refused:
        publish_event(event_type, data)
    assert not Event.objects.exists()
    return refused.value.field, str(refused.value)


def test_an_archived_type_is_refused_until_it_is_brought_back() -> None:
    event_type = EventTypeFactory(name="invoice.paid")
    event_type.change({"archived": True}, now=NOON)
    message = "The event type 'invoice.paid' is archived. Bring it back, or publish another type."
    assert refusal("invoice.paid", {}) == ("type", message)
    event_type.change({"archived": False}, now=NOON)
    publish_event("invoice.paid", {})


def test_data_has_to_fit_a_schema_that_is_enforced() -> None:
    event_type = EventTypeFactory(name="invoice.paid", schema=SCHEMA)
    publish_event("invoice.paid", {"amount": "5"})
    Event.objects.all().delete()
    event_type.change({"enforce_schema": True}, now=NOON)
    message = "The data does not fit the schema of invoice.paid. At $.amount: '5' is not of type 'integer'"
    assert refusal("invoice.paid", {"amount": "5"}) == ("data", message)
    publish_event("invoice.paid", {"amount": 5})


def test_one_of_many_that_does_not_fit_keeps_no_other_from_being_published() -> None:
    EventTypeFactory(name="invoice.paid", schema=SCHEMA, enforce_schema=True)
    fits, does_not = publish_events([Wanted("invoice.paid", {"amount": 5}), Wanted("invoice.paid", {})])
    assert isinstance(does_not, PublishRefused)
    assert not isinstance(fits, PublishRefused)


def test_data_that_a_schema_cannot_be_applied_to_is_refused() -> None:
    tree = {"type": "array", "items": {"$ref": "#"}}
    EventTypeFactory(name="a.b", schema=tree, enforce_schema=True)
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    assert refusal("a.b", deep) == ("data", "The data does not fit the schema of a.b. It is nested too deep.")


def test_a_type_is_asked_for_once_a_second(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_event("invoice.paid", {})
    for name, statements in (("invoice.paid", 0), ("invoice.sent", 1)):
        with django_assert_num_queries(statements):
            EventType.objects.known(name)
    monkeypatch.setattr("subscriptions.models.event_type.time.monotonic", lambda: math.inf)
    with django_assert_num_queries(1):
        EventType.objects.known("invoice.paid")


@pytest.mark.parametrize(
    ("given", "sent"),
    [({}, '{"amount":5}'), ({"data": {"amount": 6}}, '{"amount":6}'), ({"data": None}, "null")],
)
def test_a_test_carries_the_example_of_its_type(given: dict[str, Any], sent: str) -> None:
    EventTypeFactory(name="invoice.paid", example={"amount": 5})
    publish_test(EndpointFactory(), "invoice.paid", **given, now=NOON)
    assert Event.objects.get().payload == sent


def test_a_test_of_a_type_without_an_example_says_that_it_is_one() -> None:
    EventTypeFactory(name="invoice.paid")
    publish_test(EndpointFactory(), "invoice.paid", now=NOON)
    assert Event.objects.get().payload == '{"test":true}'


def test_names_that_nobody_created_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subscriptions.models.event_type._KNOWN_AT_MOST", 3)
    for number in range(10):
        assert EventType.objects.known(f"a.{number}") is None
    assert len(EventType.objects._known) <= 3


def test_unknown_types_are_refused_where_types_are_enforced(settings: Settings) -> None:
    settings.WEBHOOKS = replace(settings.WEBHOOKS, enforce_event_types=True)
    assert refusal("invoice.paid", {}) == ("type", "There is no event type 'invoice.paid'. Create it first.")
    EventType.objects.register(name="invoice.paid")
    publish_event("invoice.paid", {})
