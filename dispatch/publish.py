"""The one way in for events: `publish_event`."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from dispatch import wake
from dispatch.models import Delivery, Event
from dispatch.states import DeliveryStatus
from subscriptions import patterns
from subscriptions.models import Endpoint, EndpointState, EventType, Subscriber

MAX_IDEMPOTENCY_KEY_LENGTH = 200
_BATCH = 1000


class PublishRefused(ValueError):
    """An event cannot be published as it was given. `field` names the argument, the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class IdempotencyConflict(PublishRefused):
    """An idempotency key was used before, for another event."""


@dataclass(frozen=True, slots=True)
class Published:
    """What came of publishing. `created` is False where an idempotency key found the event of an earlier call."""

    event: Event
    created: bool


def publish_event(
    event_type: str,
    data: Any,
    *,
    subscriber: Subscriber | str | None = None,
    idempotency_key: str | None = None,
    now: datetime | None = None,
) -> Published:
    """Publish an event to every endpoint that wants its type.

    `data` is anything that JSON can say; it is sent as the request body. `subscriber` is one subscriber,
    its id or its uid, or None for the endpoints of all. Works inside the caller's transaction: if that
    rolls back, there is no event. With an `idempotency_key` that was used before, returns the event of
    the first call.

    Raises `PublishRefused`, with nothing written, for an unknown type or subscriber or an unfit payload,
    and `IdempotencyConflict` where the key belongs to another event.
    """
    wanted = Event(
        type=_checked_type(event_type),
        subscriber=_found_subscriber(subscriber),
        payload=_payload_text(data),
        idempotency_key=_checked_key(idempotency_key),
        created_at=now or timezone.now(),
    )
    if (earlier := _event_with_key_of(wanted)) is not None:
        return Published(earlier, created=False)
    try:
        with transaction.atomic():
            wanted.save(force_insert=True)
            served = _fan_out(wanted)
            transaction.on_commit(partial(wake.wake, served), robust=True)
    except IntegrityError:
        # Somebody else published with the same key at the same time and was first.
        if (earlier := _event_with_key_of(wanted)) is None:
            raise
        return Published(earlier, created=False)
    return Published(wanted, created=True)


def _fan_out(event: Event) -> list[str]:
    """Create the deliveries of `event`. Return the ids of the endpoints that are to be served now."""
    endpoints = list(Endpoint.objects.wanting(event.type, event.subscriber).only("id", "state").order_by("id"))
    Delivery.objects.bulk_create((_delivery(event, endpoint) for endpoint in endpoints), batch_size=_BATCH)
    return [endpoint.id for endpoint in endpoints if endpoint.state == EndpointState.ACTIVE]


def _delivery(event: Event, endpoint: Endpoint) -> Delivery:
    if endpoint.state == EndpointState.DISABLED:
        return Delivery(
            event=event,
            endpoint=endpoint,
            status=DeliveryStatus.CANCELLED.value,
            created_at=event.created_at,
            finished_at=event.created_at,
            note="The endpoint was disabled when the event was published.",
        )
    return Delivery(event=event, endpoint=endpoint, next_attempt_at=event.created_at, created_at=event.created_at)


def _checked_type(event_type: str) -> str:
    try:
        patterns.check_name(event_type)
    except patterns.InvalidEventType as error:
        raise PublishRefused("type", str(error)) from error
    if settings.WEBHOOKS.enforce_event_types and not EventType.objects.filter(name=event_type).exists():
        raise PublishRefused("type", f"There is no event type {event_type!r}. Create it first.")
    return event_type


def _found_subscriber(subscriber: Subscriber | str | None) -> Subscriber | None:
    if subscriber is None or isinstance(subscriber, Subscriber):
        return subscriber
    found = Subscriber.objects.find(subscriber)
    if found is None:
        raise PublishRefused("subscriber", f"There is no subscriber with the id or uid {subscriber!r}.")
    return found


def _payload_text(data: Any) -> str:
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise PublishRefused("data", f"The payload cannot be written as JSON: {error}.") from error
    limit = settings.WEBHOOKS.payload_limit
    if size > limit:
        raise PublishRefused(
            "data", f"The payload is {size} bytes as JSON, more than the {limit} that are allowed. Send a link instead."
        )
    return text


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (0 < len(key) <= MAX_IDEMPOTENCY_KEY_LENGTH and key.isprintable()):
        raise PublishRefused(
            "idempotency_key",
            f"An idempotency key must be 1 to {MAX_IDEMPOTENCY_KEY_LENGTH} printable characters long.",
        )
    return key


def _event_with_key_of(wanted: Event) -> Event | None:
    if wanted.idempotency_key is None:
        return None
    earlier = Event.objects.filter(idempotency_key=wanted.idempotency_key).first()
    if earlier is None:
        return None
    if (earlier.type, earlier.subscriber_id, earlier.payload) != (wanted.type, wanted.subscriber_id, wanted.payload):
        raise IdempotencyConflict(
            "idempotency_key", f"The idempotency key {wanted.idempotency_key!r} was used before, for another event."
        )
    return earlier
