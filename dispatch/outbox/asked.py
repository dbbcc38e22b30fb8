"""What people ask of deliveries: to be tried now, to be cancelled, and to carry a test event. Guarded moves, too."""

import json
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from dispatch.heads import Head
from dispatch.outbox.values import Claim, NewEvent
from dispatch.sql import execute, places, to_uuid
from subscriptions import ids

# What was delivered stays so: no attempt starts after a success. What is being sent is left to whoever sends it.
_RETRY = """
UPDATE dispatch_delivery
SET status = 'pending', next_attempt_at = %s, finished_at = NULL, note = '', manual_attempt = attempt_count + 1
WHERE status IN ('pending', 'failed', 'cancelled') AND trigger <> 'test' AND EXISTS (
    SELECT 1 FROM subscriptions_endpoint AS endpoint
    WHERE endpoint.id = dispatch_delivery.endpoint_id AND endpoint.state <> 'disabled')
AND id {among} RETURNING id, endpoint_id
"""
_CANCEL = """
UPDATE dispatch_delivery SET status = 'cancelled', next_attempt_at = NULL, finished_at = %s, note = %s
WHERE status = 'pending' AND id {among} RETURNING id, endpoint_id
"""
_INSERT_TEST_EVENT = """
INSERT INTO dispatch_event (id, type, payload, channels, created_at, feed_position) VALUES (%s, %s, %s, '[]', %s, -1)
"""
# Nobody has sent it when it is written: whoever takes it names himself.
_INSERT_TEST = """
INSERT INTO dispatch_delivery (id, event_id, endpoint_id, status, attempt_count, claim_token, claimed_at,
                               lease_expires_at, claimed_by, last_outcome, created_at, note, trigger)
VALUES (%s, %s, %s, 'sending', 1, %s, %s, %s, '', '', %s, '', 'test')
"""
_TAKE_TEST = """
UPDATE dispatch_delivery SET claim_token = %s, claimed_at = %s, lease_expires_at = %s, claimed_by = %s
WHERE id = %s AND status = 'sending' AND trigger = 'test' AND claimed_by = ''
RETURNING id, event_id, endpoint_id, attempt_count, claim_token
"""
_INSERT_HEADS = "INSERT INTO dispatch_requesthead (id, url, headers, payload_format)"
_NOTE_LENGTH = 200


class Moved(NamedTuple):
    """A delivery that was moved, and its endpoint."""

    delivery_id: uuid.UUID
    endpoint_id: uuid.UUID


def retry(delivery_ids: Collection[uuid.UUID], *, now: datetime) -> list[Moved]:
    """Make what was not delivered due now, unless its endpoint is disabled. Return what was."""
    return _move(_RETRY, [now], delivery_ids)


def cancel(delivery_ids: Collection[uuid.UUID], *, note: str, now: datetime) -> list[Moved]:
    """Cancel what is pending. Return what was."""
    return _move(_CANCEL, [now, note[:_NOTE_LENGTH]], delivery_ids)


def insert_heads(heads: Collection[Head]) -> None:
    """Write heads of requests, those that are not there yet."""
    if not heads:
        return
    # In one order, so that two who write the same ones don't wait for each other in turn.
    rows = [
        (head.id, head.url, json.dumps(head.headers), head.payload_format.value)
        for head in sorted(heads, key=lambda head: head.id)
    ]
    if connection.vendor == "postgresql":
        # One text for any number of heads: it is prepared once.
        execute(
            f"{_INSERT_HEADS} SELECT id, url, headers::jsonb, payload_format "
            "FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[]) AS head (id, url, headers, payload_format) "
            "ON CONFLICT (id) DO NOTHING",
            [list(column) for column in zip(*rows, strict=True)],
        )
    else:
        values = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
        execute(f"{_INSERT_HEADS} VALUES {values} ON CONFLICT (id) DO NOTHING", [part for row in rows for part in row])


def insert_test(event: NewEvent, endpoint_id: uuid.UUID, *, lease: float) -> uuid.UUID:
    """Write a test event with its only delivery, which is as if claimed for `lease` seconds. Return its id."""
    delivery_id, now = ids.uuid7(), event.created_at
    with transaction.atomic():
        execute(_INSERT_TEST_EVENT, [event.id, event.type, event.payload, now])
        expires_at = now + timedelta(seconds=lease)
        execute(_INSERT_TEST, [delivery_id, event.id, endpoint_id, uuid.uuid4(), now, expires_at, now])
    return delivery_id


def take_test(delivery_id: uuid.UUID, *, now: datetime, lease: float, worker: str) -> Claim | None:
    """Claim a test delivery. None if somebody else has, or it has ended."""
    rows = execute(_TAKE_TEST, [uuid.uuid4(), now, now + timedelta(seconds=lease), worker, delivery_id])
    if not rows:
        return None
    [[delivery, event, endpoint, number, token]] = rows
    return Claim(to_uuid(delivery), to_uuid(event), to_uuid(endpoint), number, to_uuid(token))


def _move(statement: str, parameters: list[Any], delivery_ids: Collection[uuid.UUID]) -> list[Moved]:
    if not delivery_ids:
        return []
    wanted = sorted(delivery_ids)
    if connection.vendor == "postgresql":
        rows = execute(statement.format(among="= ANY (%s)"), [*parameters, wanted])
    else:
        rows = execute(statement.format(among=f"IN ({places(wanted)})"), [*parameters, *wanted])
    return [Moved(to_uuid(row[0]), to_uuid(row[1])) for row in rows]
