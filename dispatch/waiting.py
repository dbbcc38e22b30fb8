"""Why a delivery waits, for whoever asks: the one place that puts the reasons into words."""

import enum
import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from redis import RedisError

from dispatch import lanes, outbox
from dispatch.gates import Why
from dispatch.lanes import Closed
from dispatch.models import Delivery, EndpointHealth
from dispatch.states import DeliveryStatus
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState

logger = logging.getLogger(__name__)


class Reason(enum.StrEnum):
    PAUSED = "paused"
    DISABLED = "disabled"
    UNVERIFIED = "unverified"
    BREAKER = "breaker"
    RETRY_AFTER = "retry_after"
    BLOCKED = "blocked"
    IN_LINE = "in_line"
    SCHEDULED = "scheduled"
    RATE = "rate"
    CAP = "cap"
    THROTTLED = "throttled"
    TAKEOVER = "takeover"
    TURN = "turn"


class Waiting(NamedTuple):
    """Why a delivery waits, in a word and in a sentence, until when if that is known, and for which one."""

    reason: Reason
    text: str
    until: datetime | None = None
    blocked_by: str | None = None


_STATES = {
    EndpointState.PAUSED: Waiting(Reason.PAUSED, "The endpoint is paused."),
    EndpointState.DISABLED: Waiting(Reason.DISABLED, "The endpoint is disabled, and what comes meanwhile is kept."),
    EndpointState.UNVERIFIED: Waiting(Reason.UNVERIFIED, "The endpoint has not answered its ownership challenge."),
}
# What only those know who serve the endpoint. What the database knows too is read there.
_GATES = {
    Why.RATE_LIMIT: Waiting(Reason.RATE, "Its endpoint has got as much as its rate limit allows for now."),
    Why.IN_FLIGHT: Waiting(Reason.CAP, "Its endpoint has as many requests under way as it may have at a time."),
    Why.THROTTLED: Waiting(Reason.THROTTLED, "The receiver said that it gets too much, so it gets less for a while."),
    Why.TAKEOVER: Waiting(
        Reason.TAKEOVER, "Redis was emptied: an endpoint with limits gets nothing until all workers have noticed."
    ),
}
# What waits for less is not worth a time: it is over before anybody has read it.
_WORTH_A_TIME = 1.0


def why_endpoint_waits(endpoint: Endpoint, now: datetime) -> Waiting | None:
    """Say what keeps all of an endpoint's deliveries waiting, or None if nothing does."""
    if (waiting := _STATES.get(EndpointState(endpoint.state))) is not None:
        return waiting
    health = EndpointHealth.objects.filter(endpoint=endpoint).first()
    if health is None or health.is_stale(endpoint.state_changed_at) or health.closed_until is None:
        return None
    if health.closed_because == Reason.RETRY_AFTER:
        if health.closed_until <= now:
            return None
        return Waiting(Reason.RETRY_AFTER, "The receiver asked not to be called before then.", health.closed_until)
    text = "Too many attempts failed, so its breaker is open: the next one that is due then is a try."
    return Waiting(Reason.BREAKER, text, health.closed_until)


def why_waits(delivery: Delivery, now: datetime) -> Waiting | None:
    """Say why a pending delivery has not been sent yet. None if it is not pending."""
    if delivery.status != DeliveryStatus.PENDING or delivery.next_attempt_at is None:
        return None
    if (waiting := why_endpoint_waits(delivery.endpoint, now)) is not None:
        return waiting
    if delivery.line is not None and (waiting := _why_in_line(delivery)) is not None:
        return waiting
    if delivery.next_attempt_at > now:
        return Waiting(Reason.SCHEDULED, "Its next attempt is due then.", delivery.next_attempt_at)
    if (closed := _why_closed(delivery.endpoint)) is not None and (waiting := _GATES.get(Why(closed.why))) is not None:
        is_long = closed.wait > _WORTH_A_TIME
        return waiting._replace(until=now + timedelta(seconds=closed.wait) if is_long else None)
    return Waiting(Reason.TURN, "It is due, and goes as soon as its endpoint's limits and the workers have room.")


def _why_closed(endpoint: Endpoint) -> Closed | None:
    """Ask Redis for what whoever serves the endpoint has told. None where it does not answer either."""
    try:
        return lanes.connect(settings.WEBHOOKS.wake_timeout).why_closed(ids.decode("ep", endpoint.pk))
    except RedisError as error:
        logger.warning("Redis was not asked why a delivery waits: %s", error)
        return None


def _why_in_line(delivery: Delivery) -> Waiting | None:
    head = outbox.head_of(ids.decode("ep", delivery.endpoint_id), delivery.line or "")
    if head is None or (first := ids.encode("dlv", head.delivery_id)) == delivery.id:
        return None
    if head.status is DeliveryStatus.FAILED:
        text = f"Blocked by {first}, which failed for good: retry or cancel that one, or let the endpoint skip such."
        return Waiting(Reason.BLOCKED, text, blocked_by=first)
    return Waiting(Reason.IN_LINE, f"The endpoint is ordered, and {first} goes first.", blocked_by=first)
