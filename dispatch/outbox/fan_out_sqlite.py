"""Writing events with their deliveries on SQLite: a few statements for each event, in one transaction."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from dispatch.outbox.values import FannedOut, NewEvent
from dispatch.sql import execute, sqlite_parameters, to_time, to_uuid
from subscriptions import ids
from subscriptions.models import EndpointState
from subscriptions.models.flow_control import WhenDisabled

# Writers take turns, so that the feed's positions are in the order of commits: each comes after that of the row before.
# Milliseconds, so that they go on even where all rows are gone.
_INSERT_EVENT = """
INSERT INTO dispatch_event (id, type, subscriber_id, payload, idempotency_key, created_at, channels, ordering_key,
                            deliver_after, feed_position)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, max(%s, 1 + coalesce(
    (SELECT feed_position FROM dispatch_event WHERE feed_position >= 0 ORDER BY rowid DESC LIMIT 1), 0)))
ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
"""
_WANTING = """
SELECT endpoint.id, endpoint.state, endpoint.channels, endpoint.when_disabled, endpoint.ordered
FROM subscriptions_endpoint AS endpoint
WHERE endpoint.id > %s {of_subscriber} AND EXISTS (
    SELECT 1 FROM subscriptions_eventtypepattern AS wanted
    WHERE wanted.endpoint_id = endpoint.id AND wanted.pattern IN ({patterns}))
ORDER BY endpoint.id LIMIT %s
"""
_INSERT_DELIVERY = """
INSERT INTO dispatch_delivery (id, event_id, endpoint_id, status, next_attempt_at, attempt_count, claimed_by,
                               last_outcome, created_at, finished_at, note, line)
VALUES (%s, %s, %s, %s, %s, 0, '', '', %s, %s, %s, %s)
ON CONFLICT (event_id, endpoint_id) DO NOTHING
"""
_NO_UUID = uuid.UUID(int=0)


def insert_events(events: Sequence[NewEvent], *, limit: int, note: str) -> Mapping[uuid.UUID, FannedOut]:
    """Write events, each with deliveries to at most `limit` endpoints. Leave out those whose key is taken."""
    found = {}
    with transaction.atomic():
        for event in events:
            with connection.cursor() as cursor:
                milliseconds = time.time_ns() // 1_000_000
                cursor.execute(_INSERT_EVENT, sqlite_parameters([*event[:8], event.deliver_after, milliseconds]))
                is_new = cursor.rowcount == 1
            if is_new:
                found[event.id] = _fan_out(event, after=_NO_UUID, limit=limit, note=note)
    return found


def continue_event(event_id: uuid.UUID, patterns: str, *, limit: int, note: str) -> FannedOut | None:
    """Create the next deliveries of an event, at most `limit`. None if there are no more to create."""
    with transaction.atomic():
        rows = execute(
            "SELECT fan_out_after, subscriber_id, created_at, channels, ordering_key, deliver_after FROM dispatch_event"
            " WHERE id = %s AND fan_out_after IS NOT NULL",
            [event_id],
        )
        if not rows:
            return None
        after, subscriber_id, created_at, channels, ordering_key, deliver_after = rows[0]
        event = NewEvent(
            id=event_id,
            type="",
            subscriber_id=subscriber_id and to_uuid(subscriber_id),
            payload="",
            idempotency_key=None,
            created_at=to_time(created_at),
            channels=channels,
            ordering_key=ordering_key,
            patterns=patterns,
            deliver_after=deliver_after and to_time(deliver_after),
        )
        return _fan_out(event, after=to_uuid(after), limit=limit, note=note)


def _fan_out(event: NewEvent, *, after: uuid.UUID, limit: int, note: str) -> FannedOut:
    patterns = event.patterns.split(" ")
    of_subscriber = "" if event.subscriber_id is None else "AND endpoint.subscriber_id = %s"
    statement = _WANTING.format(of_subscriber=of_subscriber, patterns=", ".join(["%s"] * len(patterns)))
    subscriber = [] if event.subscriber_id is None else [event.subscriber_id]
    rows = execute(statement, [after, *subscriber, *patterns, limit + 1])
    channels = set(json.loads(event.channels))
    endpoints = [
        (to_uuid(endpoint_id), _state(state, when_disabled), bool(is_ordered))
        for endpoint_id, state, wanted, when_disabled, is_ordered in rows[:limit]
        if wanted == "[]" or not channels.isdisjoint(json.loads(wanted))
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT_DELIVERY, [_delivery(event, *endpoint, note) for endpoint in endpoints])
    is_complete = len(rows) <= limit
    if not is_complete or after != _NO_UUID:
        last = None if is_complete else to_uuid(rows[limit - 1][0])
        execute("UPDATE dispatch_event SET fan_out_after = %s WHERE id = %s", [last, event.id])
    active = [endpoint_id for endpoint_id, state, _ in endpoints if state is EndpointState.ACTIVE]
    return FannedOut(active, is_complete)


def _state(state: str, when_disabled: str) -> EndpointState:
    # Disabled, but what comes is kept: then it waits, as where an endpoint is paused.
    is_kept = state == EndpointState.DISABLED and when_disabled == WhenDisabled.KEEP
    return EndpointState.PAUSED if is_kept else EndpointState(state)


def _delivery(event: NewEvent, endpoint_id: uuid.UUID, state: EndpointState, is_ordered: bool, note: str) -> list[Any]:
    moment = event.created_at
    if state is EndpointState.DISABLED:
        fate: list[Any] = ["cancelled", None, moment, moment, note, None]
    else:
        line = event.ordering_key if is_ordered else None
        fate = ["pending", event.deliver_after or moment, moment, None, "", line]
    return sqlite_parameters([ids.uuid7(), event.id, endpoint_id, *fate])
