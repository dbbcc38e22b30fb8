"""The one way in for events: `publish_event`, and `publish_events` for many at once."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dispatch import operational, outbox, wake
from dispatch.models import Delivery, Event
from dispatch.outbox import NewEvent
from subscriptions import channels, ids, patterns, payload_schemas
from subscriptions.models import Endpoint, EventType, Subscriber

MAX_IDEMPOTENCY_KEY_LENGTH = 200
# What a test event says where nobody says what an event of its type looks like.
_EXAMPLE: Mapping[str, Any] = {"test": True}
_OF_ITS_TYPE: Any = object()
_LOOK_INTERVAL = 0.05


class PublishRefused(ValueError):
    """An event cannot be published as it was given. `field` names the argument, the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class IdempotencyConflict(PublishRefused):
    """An idempotency key was used before, for another event."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event to be published. The fields are those of `publish_event`."""

    event_type: str
    data: Any
    subscriber: Subscriber | str | None = None
    idempotency_key: str | None = None
    deliver_after: datetime | None = None
    channels: Sequence[str] = ()
    ordering_key: str | None = None


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
    deliver_after: datetime | None = None,
    channels: Sequence[str] = (),
    ordering_key: str | None = None,
    now: datetime | None = None,
) -> Published:
    """Publish an event to every endpoint that wants its type.

    `data` is anything that JSON can say; it is sent as the request body. `subscriber` is one subscriber,
    its id or its uid, or None for the endpoints of all. Endpoints that name channels get it only if `channels`
    names one of theirs. Works inside the caller's transaction: if that
    rolls back, there is no event. With an `idempotency_key` that was used before, returns the event of
    the first call. Nothing is sent before `deliver_after`. Ordered endpoints get events with the same `ordering_key`
    one after another, and those of other keys meanwhile.

    Raises `PublishRefused`, with nothing written, for an unknown or archived type, an unknown subscriber or an unfit
    payload, and `IdempotencyConflict` where the key belongs to another event.
    """
    wanted = Wanted(event_type, data, subscriber, idempotency_key, deliver_after, channels, ordering_key)
    return publish_wanted(wanted, now=now)


def publish_wanted(wanted: Wanted, *, now: datetime | None = None) -> Published:
    """Publish an event as `publish_event` does. Raises as that does."""
    [published] = publish_events([wanted], now=now)
    if isinstance(published, PublishRefused):
        raise published
    return published


def draft_event(wanted: Wanted, *, now: datetime) -> Event:
    """Make the event that would be published, without writing it. Raises `PublishRefused` as publishing would."""
    draft = _Checks().draft(wanted, now)
    if isinstance(draft, PublishRefused):
        raise draft
    return draft.event


def publish_test(endpoint: Endpoint, event_type: str, data: Any = _OF_ITS_TYPE, *, now: datetime) -> Delivery:
    """Publish a test event to one endpoint only, whatever its state, and have it sent: once.

    Without `data` it carries the example of its type, or says that it is a test. Raises `PublishRefused`.
    """
    if data is _OF_ITS_TYPE:
        example = EventType.objects.filter(name=event_type).values_list("example", flat=True).first()
        data = _EXAMPLE if example is None else example
    draft = _Checks().draft(Wanted(event_type, data), now)
    if isinstance(draft, PublishRefused):
        raise draft
    delivery_id = outbox.insert_test(draft.row, ids.decode("ep", endpoint.pk), lease=settings.WEBHOOKS.claim_lease)
    transaction.on_commit(partial(wake.call_test, delivery_id), robust=True)
    return Delivery.objects.get(pk=ids.encode("dlv", delivery_id))


def wait_for_test(test: Delivery, *, seconds: float) -> bool:
    """Wait for the attempt of a test to end, for some seconds at most. Say whether it has."""
    give_up = time.monotonic() + seconds
    while True:
        test.refresh_from_db()
        if test.finished_at is not None:
            return True
        if time.monotonic() >= give_up:
            return False
        time.sleep(_LOOK_INTERVAL)


def publish_events(wanted: Sequence[Wanted], *, now: datetime | None = None) -> list[Published | PublishRefused]:
    """Publish many events as `publish_event` does, in one go. Answer each one by itself, in their order.

    Those that are refused don't keep the others from being published.
    """
    moment = now or timezone.now()
    check = _Checks()
    answers: list[_Draft | PublishRefused] = [check.draft(each, moment) for each in wanted]
    drafts = [each for each in answers if isinstance(each, _Draft)]
    fanned_out = outbox.insert_events([draft.row for draft in drafts])
    served = {endpoint_id for each in fanned_out.values() for endpoint_id in each.endpoint_ids}
    transaction.on_commit(partial(wake.wake, served), robust=True)
    if not all(each.is_complete for each in fanned_out.values()):
        transaction.on_commit(wake.call_fan_out, robust=True)
    earlier = _events_by_key([draft for draft in drafts if draft.row.id not in fanned_out])
    return [
        answer
        if isinstance(answer, PublishRefused)
        else Published(answer.event, created=True)
        if answer.row.id in fanned_out
        else _repeated(answer.event, earlier)
        for answer in answers
    ]


@dataclass(frozen=True, slots=True)
class _Draft:
    """An event that may be published, as its model and as the statement takes it."""

    event: Event
    row: NewEvent


class _Checks:
    """Whether events may be published. Asks the database about a subscriber or a type once."""

    def __init__(self) -> None:
        self._subscriber = lru_cache(maxsize=None)(Subscriber.objects.find)

    def draft(self, wanted: Wanted, now: datetime) -> _Draft | PublishRefused:
        value = ids.uuid7()
        try:
            event = Event(
                id=ids.encode("evt", value),
                type=_checked_type(wanted),
                subscriber=self._found_subscriber(wanted.subscriber),
                payload=_payload_text(wanted.data),
                idempotency_key=_checked_key(wanted.idempotency_key),
                channels=_checked_channels(wanted.channels),
                ordering_key=_checked_key(wanted.ordering_key, "ordering_key") or "",
                created_at=now,
                deliver_after=_checked_time(wanted.deliver_after, now),
            )
        except PublishRefused as refused:
            return refused
        subscriber_id = ids.decode("sub", event.subscriber_id) if event.subscriber_id else None
        matching = " ".join(patterns.patterns_matching(event.type))
        named = json.dumps(event.channels) if event.channels else "[]"
        row = NewEvent(
            value,
            event.type,
            subscriber_id,
            event.payload,
            event.idempotency_key,
            now,
            named,
            event.ordering_key,
            matching,
            event.deliver_after,
        )
        return _Draft(event, row)

    def _found_subscriber(self, subscriber: Subscriber | str | None) -> Subscriber | None:
        if subscriber is None or isinstance(subscriber, Subscriber):
            return subscriber
        found = self._subscriber(subscriber)
        if found is None:
            raise PublishRefused("subscriber", f"There is no subscriber with the id or uid {subscriber!r}.")
        return found


def _checked_type(wanted: Wanted) -> str:
    """Return the type, if the data may be published as one of its events."""
    name = wanted.event_type
    try:
        patterns.check_name(name)
    except patterns.InvalidEventType as error:
        raise PublishRefused("type", str(error)) from error
    if operational.is_reserved(name):
        raise PublishRefused("type", f"Types that begin with {operational.PREFIX} are the dispatcher's own.")
    known = EventType.objects.known(name)
    if known is None:
        if settings.WEBHOOKS.enforce_event_types:
            raise PublishRefused("type", f"There is no event type {name!r}. Create it first.")
    elif known.is_archived:
        raise PublishRefused("type", f"The event type {name!r} is archived. Bring it back, or publish another type.")
    elif known.schema is not None and (problem := payload_schemas.problem_with(wanted.data, known.schema)):
        raise PublishRefused("data", f"The data does not fit the schema of {name}. {problem}")
    return name


def _checked_channels(given: Sequence[str]) -> list[str]:
    if isinstance(given, tuple) and not given:
        return []
    try:
        return channels.check_channels(given, at_most=settings.WEBHOOKS.channels)
    except channels.InvalidChannels as error:
        raise PublishRefused("channels", str(error)) from error


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


def _checked_key(key: str | None, field: str = "idempotency_key") -> str | None:
    if key is not None and not (0 < len(key) <= MAX_IDEMPOTENCY_KEY_LENGTH and key.isprintable()):
        name = field.replace("_", " ")
        raise PublishRefused(field, f"An {name} must be 1 to {MAX_IDEMPOTENCY_KEY_LENGTH} printable characters long.")
    return key


def _checked_time(deliver_after: datetime | None, now: datetime) -> datetime | None:
    if deliver_after is None:
        return None
    if deliver_after.tzinfo is None:
        raise PublishRefused("deliver_after", "Name the time zone, as in 2026-03-01T12:00:00Z.")
    latest = now + timedelta(seconds=settings.WEBHOOKS.deliver_after_max)
    if deliver_after > latest:
        raise PublishRefused("deliver_after", f"The latest time that is allowed now is {latest:%Y-%m-%dT%H:%M:%SZ}.")
    return deliver_after


def _events_by_key(drafts: Sequence[_Draft]) -> Mapping[str | None, Event]:
    if not drafts:
        return {}
    keys = [draft.event.idempotency_key for draft in drafts]
    return {event.idempotency_key: event for event in Event.objects.filter(idempotency_key__in=keys)}


def _repeated(event: Event, earlier: Mapping[str | None, Event]) -> Published | PublishRefused:
    first = earlier[event.idempotency_key]
    if _meaning(first) != _meaning(event):
        return IdempotencyConflict(
            "idempotency_key", f"The idempotency key {event.idempotency_key!r} was used before, for another event."
        )
    return Published(first, created=False)


def _meaning(event: Event) -> tuple[Any, ...]:
    return event.type, event.subscriber_id, event.payload, event.channels, event.deliver_after, event.ordering_key
