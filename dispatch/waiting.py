"""Why a delivery waits, for whoever asks: the one place that puts the reasons into words."""

import enum
from datetime import datetime
from typing import NamedTuple

from dispatch import outbox
from dispatch.models import Delivery, EndpointHealth
from dispatch.states import DeliveryStatus
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState


class Reason(enum.StrEnum):
    PAUSED = "paused"
    DISABLED = "disabled"
    UNVERIFIED = "unverified"
    BREAKER = "breaker"
    RETRY_AFTER = "retry_after"
    BLOCKED = "blocked"
    IN_LINE = "in_line"
    SCHEDULED = "scheduled"
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
    return Waiting(Reason.TURN, "It is due, and goes as soon as its endpoint's limits and the workers have room.")


def _why_in_line(delivery: Delivery) -> Waiting | None:
    head = outbox.head_of(ids.decode("ep", delivery.endpoint_id), delivery.line or "")
    if head is None or (first := ids.encode("dlv", head.delivery_id)) == delivery.id:
        return None
    if head.status is DeliveryStatus.FAILED:
        text = f"Blocked by {first}, which failed for good: retry or cancel that one, or let the endpoint skip such."
        return Waiting(Reason.BLOCKED, text, blocked_by=first)
    return Waiting(Reason.IN_LINE, f"The endpoint is ordered, and {first} goes first.", blocked_by=first)
