"""Why? For any event and endpoint: why it was or was not sent."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dispatch.models import Delivery, Event
from dispatch.states import DeliveryStatus
from dispatch.waiting import Reason, why_waits
from subscriptions import patterns
from subscriptions.models import Endpoint


class Code(enum.StrEnum):
    """The answers in one word each, beside the reasons to wait. The first ones have no delivery."""

    OTHER_SUBSCRIBER = "other_subscriber"
    ENDPOINT_IS_NEWER = "endpoint_is_newer"
    NOT_MATCHING = "not_matching"
    OTHER_CHANNELS = "other_channels"
    NOT_YET_CREATED = "not_yet_created"
    WANTED_SINCE = "wanted_since"
    UNDER_WAY = "under_way"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Answer:
    """Why an event was or was not sent: `sentence` says it to people, `facts` has what it names."""

    code: Code | Reason
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    delivery: Delivery | None = None


def why(event: Event, endpoint: Endpoint, *, now: datetime) -> Answer:
    """Say why `event` was or was not sent to `endpoint`."""
    delivery = Delivery.objects.filter(event=event, endpoint=endpoint).first()
    return why_not(event, endpoint) if delivery is None else why_of(delivery, endpoint, now=now)


def why_of(delivery: Delivery, endpoint: Endpoint, *, now: datetime) -> Answer:
    """Say why a delivery to `endpoint` is where it is."""
    code: Code | Reason
    facts: dict[str, Any]
    match DeliveryStatus(delivery.status):
        case DeliveryStatus.PENDING:
            code, sentence, facts = _pending(delivery, endpoint, now)
        case DeliveryStatus.SENDING:
            code, facts = Code.UNDER_WAY, {"claimed_at": delivery.claimed_at, "claimed_by": delivery.claimed_by}
            sentence = f"It is being sent since {_time(delivery.claimed_at)}, attempt {delivery.attempt_count}."
        case DeliveryStatus.DELIVERED:
            code, facts = Code.DELIVERED, {"finished_at": delivery.finished_at, **_last(delivery)}
            sentence = f"It was delivered on {_time(delivery.finished_at)}, by attempt {delivery.attempt_count}."
        case DeliveryStatus.FAILED:
            code, facts = Code.FAILED, {"finished_at": delivery.finished_at, **_last(delivery)}
            sentence = (
                f"It has failed for good on {_time(delivery.finished_at)}, after {_attempts(delivery)}. "
                f"{_last_error(facts)}"
            )
        case DeliveryStatus.CANCELLED:
            code, facts = Code.CANCELLED, {"finished_at": delivery.finished_at, "note": delivery.note}
            sentence = f"It was cancelled on {_time(delivery.finished_at)}: {delivery.note or 'without a note.'}"
    return Answer(code, sentence.strip(), facts, delivery)


def _pending(delivery: Delivery, endpoint: Endpoint, now: datetime) -> tuple[Reason, str, dict[str, Any]]:
    delivery.endpoint = endpoint
    facts: dict[str, Any] = {"due_at": delivery.next_attempt_at, **_last(delivery)}
    waiting = why_waits(delivery, now)
    if waiting is None:
        # A pending delivery waits for something. This one has just been moved, and is not there any more.
        return Reason.TURN, "It was pending a moment ago. Ask again.", facts
    sentences = [f"It waits until {_time(waiting.until)}." if waiting.until else "It waits.", waiting.text]
    match waiting.reason:
        case Reason.PAUSED | Reason.UNVERIFIED | Reason.DISABLED:
            facts |= {"since": endpoint.state_changed_at, "state_reason": endpoint.state_reason}
            sentences += [endpoint.state_reason, f"That is so since {_time(endpoint.state_changed_at)}."]
        case Reason.BLOCKED | Reason.IN_LINE:
            facts["blocked_by"] = waiting.blocked_by
        case Reason.RATE | Reason.CAP | Reason.THROTTLED | Reason.TAKEOVER | Reason.TURN if limits := limits_of(
            endpoint
        ):
            facts["limits"] = limits
            sentences.append(f"Its endpoint gets {' and '.join(limits)}.")
    if waiting.until is not None:
        facts["until"] = waiting.until
    if delivery.attempt_count:
        sentences += [f"Attempt {delivery.attempt_count} has failed.", _last_error(facts)]
    return waiting.reason, " ".join(filter(None, sentences)), facts


def limits_of(endpoint: Endpoint) -> list[str]:
    """Say in words what limits an endpoint has."""
    limits = []
    limited = endpoint if endpoint.rate_limit else endpoint.subscriber
    if limited.rate_limit:
        limits.append(f"at most {limited.rate_limit} requests a {limited.rate_period}")
    if endpoint.max_in_flight:
        limits.append(f"at most {endpoint.max_in_flight} at a time")
    return limits


def why_not(event: Event, endpoint: Endpoint) -> Answer:
    """Say why there is no delivery of `event` to `endpoint`."""
    if event.subscriber_id not in (None, endpoint.subscriber_id):
        sentence = f"The event is for another subscriber, {event.subscriber_id}."
        return Answer(Code.OTHER_SUBSCRIBER, sentence, {"subscriber": event.subscriber_id})
    if endpoint.created_at > event.created_at:
        sentence = f"The endpoint was created on {_time(endpoint.created_at)}, after the event."
        return Answer(Code.ENDPOINT_IS_NEWER, sentence, {"endpoint_created_at": endpoint.created_at})
    if (answer := why_unwanted(event, endpoint)) is not None:
        return answer
    facts = {"event_type": event.type, "event_types": endpoint.event_types}
    if event.fan_out_after is not None:
        sentence = "Very many endpoints want the event, and the delivery to this one is still to be created."
        return Answer(Code.NOT_YET_CREATED, sentence, facts)
    sentence = f"The endpoint wants {event.type} now, but did not when the event was published."
    return Answer(Code.WANTED_SINCE, sentence, facts)


def why_unwanted(event: Event, endpoint: Endpoint) -> Answer | None:
    """Say why an endpoint does not want an event that is for its subscriber, or None if it does."""
    wanted = endpoint.event_types
    if set(wanted).isdisjoint(patterns.patterns_matching(event.type)):
        sentence = f"The endpoint does not want {event.type}: its event types are {', '.join(wanted)}."
        return Answer(Code.NOT_MATCHING, sentence, {"event_type": event.type, "event_types": wanted})
    if endpoint.channels and set(endpoint.channels).isdisjoint(event.channels):
        named = f"the event has {', '.join(event.channels)}" if event.channels else "the event has none"
        sentence = f"The endpoint wants the channels {', '.join(endpoint.channels)} only, and {named}."
        return Answer(Code.OTHER_CHANNELS, sentence, {"channels": endpoint.channels, "event_channels": event.channels})
    return None


def _last(delivery: Delivery) -> dict[str, Any]:
    """Say how the last attempt ended, if there was one."""
    last = delivery.attempts.defer("response_headers", "response_body").order_by("-number").first()
    return {
        "attempts": delivery.attempt_count,
        "last_outcome": last and last.outcome,
        "last_status_code": last and last.status_code,
        "last_error": last and last.error,
    }


def _last_error(facts: Mapping[str, Any]) -> str:
    if facts["last_error"]:
        return str(facts["last_error"])
    return f"The receiver answered {facts['last_status_code']}." if facts["last_status_code"] else ""


def _attempts(delivery: Delivery) -> str:
    return "one attempt" if delivery.attempt_count == 1 else f"{delivery.attempt_count} attempts"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "an unknown time"
