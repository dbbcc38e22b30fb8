from datetime import timedelta

import pytest
from pytest_django import Settings

from dispatch import lanes
from dispatch.gates import Why
from dispatch.lanes import Closed
from dispatch.models import Delivery, EndpointHealth
from dispatch.publish import publish_event
from dispatch.waiting import Reason, why_endpoint_waits, why_waits
from subscriptions import ids
from subscriptions.models import Endpoint
from tests.factories import NOON, EndpointFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def delivery_to(endpoint: Endpoint) -> Delivery:
    event = publish_event("invoice.paid", {}, subscriber=endpoint.subscriber, now=NOON).event
    return Delivery.objects.get(event=event)


@pytest.mark.parametrize("state", ["paused", "disabled"])
def test_the_state_of_the_endpoint_comes_first(state: str) -> None:
    endpoint = EndpointFactory(state=state, when_disabled="keep")
    waiting = why_waits(delivery_to(endpoint), LATER)
    assert waiting is not None
    assert (waiting.reason, waiting.until) == (state, None)


def test_a_breaker_and_a_receiver_that_asks_for_time_say_until_when() -> None:
    endpoint = EndpointFactory()
    EndpointHealth.objects.create(
        endpoint=endpoint, noted_at=NOON, closed_until=LATER, closed_because="breaker", pauses=1
    )
    waiting = why_waits(delivery_to(endpoint), NOON)
    assert waiting is not None
    assert (waiting.reason, waiting.until) == (Reason.BREAKER, LATER)

    EndpointHealth.objects.update(closed_because="retry_after", pauses=0)
    assert why_endpoint_waits(endpoint, NOON) is not None
    assert why_endpoint_waits(endpoint, LATER) is None


def test_what_was_noted_before_the_endpoint_was_resumed_says_nothing() -> None:
    endpoint = EndpointFactory(state_changed_at=LATER)
    EndpointHealth.objects.create(
        endpoint=endpoint, noted_at=NOON, closed_until=LATER, closed_because="breaker", pauses=1
    )
    assert why_endpoint_waits(endpoint, NOON) is None


def test_in_a_line_the_one_that_goes_first_is_named() -> None:
    endpoint = EndpointFactory(ordered=True)
    first, second = delivery_to(endpoint), delivery_to(endpoint)
    waiting = why_waits(second, LATER)
    assert waiting is not None
    assert (waiting.reason, waiting.blocked_by) == (Reason.IN_LINE, first.id)

    Delivery.objects.filter(id=first.id).update(status="failed", next_attempt_at=None)
    waiting = why_waits(second, LATER)
    assert waiting is not None
    assert waiting.text.startswith(f"Blocked by {first.id}, which failed for good")


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        (Why.RATE_LIMIT, Reason.RATE),
        (Why.IN_FLIGHT, Reason.CAP),
        (Why.THROTTLED, Reason.THROTTLED),
        (Why.TAKEOVER, Reason.TAKEOVER),
        # What the database says of these is newer.
        (Why.BREAKER, Reason.TURN),
        (Why.RETRY_AFTER, Reason.TURN),
    ],
)
def test_what_whoever_serves_the_endpoint_has_told_is_said(why: Why, reason: Reason) -> None:
    endpoint = EndpointFactory()
    delivery = delivery_to(endpoint)
    lanes.connect(1).note_closed({ids.decode("ep", endpoint.id): Closed(why, 60.0)})
    waiting = why_waits(delivery, LATER)

    assert waiting is not None
    assert waiting.reason is reason
    if waiting.until is not None:
        assert 59 < (waiting.until - LATER).total_seconds() <= 60


def test_without_redis_it_waits_for_its_turn(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1"
    lanes.connect.cache_clear()
    try:
        waiting = why_waits(delivery_to(EndpointFactory()), LATER)
    finally:
        lanes.connect.cache_clear()
    assert waiting is not None
    assert waiting.reason is Reason.TURN


def test_otherwise_it_waits_for_its_time_or_its_turn() -> None:
    delivery = delivery_to(EndpointFactory())
    turn = why_waits(delivery, LATER)
    delivery.next_attempt_at = LATER
    scheduled = why_waits(delivery, NOON)
    assert turn is not None
    assert scheduled is not None
    assert (turn.reason, scheduled.reason, scheduled.until) == (Reason.TURN, Reason.SCHEDULED, LATER)

    delivery.status = "delivered"
    assert why_waits(delivery, LATER) is None
