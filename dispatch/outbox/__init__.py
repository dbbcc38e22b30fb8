"""The outbox: claiming, finishing and rescuing deliveries. The one module with locking and bulk SQL.

A claim is a guarded UPDATE that takes a lease and a token; whatever is done to a claimed delivery later is
done only where the token is still the same. So two processes can never send one delivery at the same time,
and a process that comes back after its lease ended changes nothing. Ids are UUIDs here, as in the database.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from django.db import connection

from dispatch.outbox import fan_out_postgresql, fan_out_sqlite, postgresql, sqlite
from dispatch.outbox.asked import Moved, cancel, insert_heads, insert_test, retry, take_test
from dispatch.outbox.ordered import InLine, claim_in_order, head_of, leave_lines, lined_lanes
from dispatch.outbox.untold import Untold, take_untold
from dispatch.outbox.values import (
    Attempted,
    Claim,
    Claimed,
    Expired,
    FannedOut,
    NewEvent,
    PendingLane,
    Share,
    attempt_row,
)
from dispatch.sql import execute, places, select_by_ids, to_time, to_uuid
from dispatch.states import Trigger

__all__ = [
    "Attempted",
    "Claim",
    "Claimed",
    "Expired",
    "FannedOut",
    "InLine",
    "Moved",
    "NewEvent",
    "PendingLane",
    "Untold",
    "cancel",
    "cancel_pending",
    "claim",
    "claim_in_order",
    "continue_event",
    "expired",
    "finish",
    "head_of",
    "headings",
    "in_flight",
    "insert_events",
    "insert_heads",
    "insert_test",
    "leave_lines",
    "lined_lanes",
    "payloads",
    "pending_lanes",
    "retry",
    "take_test",
    "take_untold",
    "unclaim",
    "unfinished_events",
]

_CLAIM = {"postgresql": postgresql.claim, "sqlite": sqlite.claim}
_FINISH = {"postgresql": postgresql.finish, "sqlite": sqlite.finish}
_INSERT_EVENTS = {"postgresql": fan_out_postgresql.insert_events, "sqlite": fan_out_sqlite.insert_events}
_CONTINUE_EVENT = {"postgresql": fan_out_postgresql.continue_event, "sqlite": fan_out_sqlite.continue_event}
# Deliveries of one event that are created in one statement.
FANNED_OUT_AT_ONCE = 1000
_UNFINISHED_AT_ONCE = 100
_DISABLED = "The endpoint was disabled when the event was published."
_RESCUED_AT_ONCE = 1000
_CANCELLED_AT_ONCE = 1000
_LANES_AT_ONCE = 1000
_FIRST = uuid.UUID(int=0)


def insert_events(events: Sequence[NewEvent]) -> Mapping[uuid.UUID, FannedOut]:
    """Write events with their deliveries, in one statement. Leave out those whose idempotency key is taken.

    An event gets the deliveries of its first 1,000 endpoints; `continue_event` creates the others.
    """
    return _INSERT_EVENTS[connection.vendor](events, limit=FANNED_OUT_AT_ONCE, note=_DISABLED) if events else {}


def continue_event(event_id: uuid.UUID, patterns: str) -> FannedOut | None:
    """Create up to 1,000 more deliveries of an event. None if all are there."""
    return _CONTINUE_EVENT[connection.vendor](event_id, patterns, limit=FANNED_OUT_AT_ONCE, note=_DISABLED)


def unfinished_events() -> list[tuple[uuid.UUID, str]]:
    """List events of which deliveries are still to be created, with their types, the oldest first."""
    rows = execute(
        "SELECT id, type FROM dispatch_event WHERE fan_out_after IS NOT NULL ORDER BY id LIMIT %s",
        [_UNFINISHED_AT_ONCE],
    )
    return [(to_uuid(row[0]), row[1]) for row in rows]


def claim(
    rooms: Mapping[uuid.UUID, int],
    *,
    newest: Mapping[uuid.UUID, int] = MappingProxyType({}),
    now: datetime,
    lease: float,
    worker: str,
) -> Claimed:
    """Claim what is due at each endpoint, at most as many as its room, for `lease` seconds.

    That is what has been due for longest, but for as many as `newest` says: those are what fell due last.
    """
    shares = [Share(each, room - newest.get(each, 0), newest.get(each, 0)) for each, room in rooms.items()]
    return _CLAIM[connection.vendor](
        shares, now=now, expires_at=now + timedelta(seconds=lease), token=uuid.uuid4(), worker=worker
    )


def finish(attempted: Sequence[Attempted]) -> set[uuid.UUID]:
    """Log the attempts and move their deliveries, in one statement, where the claims still hold.

    Return the ids of the deliveries that were moved. Nothing is written for the others: whoever ended
    their claim has logged the attempt.
    """
    if not attempted:
        return set()
    return _FINISH[connection.vendor]([attempt_row(each) for each in attempted])


def payloads(event_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    """Read the data of events, as JSON text."""
    if not event_ids:
        return {}
    rows = select_by_ids("SELECT id, payload FROM dispatch_event WHERE id", list(event_ids))
    return {to_uuid(row[0]): row[1] for row in rows}


def headings(event_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[str, datetime]]:
    """Read types of events, and when they were published."""
    if not event_ids:
        return {}
    rows = select_by_ids("SELECT id, type, created_at FROM dispatch_event WHERE id", list(event_ids))
    return {to_uuid(row[0]): (row[1], to_time(row[2])) for row in rows}


def unclaim(claims: Sequence[Claim], *, now: datetime) -> None:
    """Give back claims of which no request has left: the deliveries are pending again, without an attempt."""
    for token, ids_of_token in _by_token(claims).items():
        execute(
            f"""UPDATE dispatch_delivery
                SET status = 'pending', attempt_count = attempt_count - 1, next_attempt_at = %s,
                    claim_token = NULL, lease_expires_at = NULL, claimed_at = NULL
                WHERE claim_token = %s AND id IN ({places(ids_of_token)})""",
            [now, token, *ids_of_token],
        )


def expired(now: datetime) -> list[Expired]:
    """Find claims whose lease has ended, the oldest first."""
    rows = execute(
        """SELECT id, event_id, endpoint_id, attempt_count, claim_token, claimed_at, claimed_by, trigger
           FROM dispatch_delivery WHERE status = 'sending' AND lease_expires_at < %s
           ORDER BY lease_expires_at LIMIT %s""",
        [now, _RESCUED_AT_ONCE],
    )
    return [
        Expired(
            Claim(to_uuid(row[0]), to_uuid(row[1]), to_uuid(row[2]), row[3], to_uuid(row[4])),
            to_time(row[5]),
            row[6],
            is_test=row[7] == Trigger.TEST,
        )
        for row in rows
    ]


def in_flight(endpoint_id: uuid.UUID) -> int:
    """Count the deliveries that anybody is sending to an endpoint, or was when he was killed.

    Looks through all that is being sent, which is as much as the workers have slots.
    """
    rows = execute(
        "SELECT count(*) FROM dispatch_delivery WHERE status = 'sending' AND endpoint_id = %s", [endpoint_id]
    )
    return int(rows[0][0])


def pending_lanes(after: uuid.UUID = _FIRST) -> list[PendingLane]:
    """List up to 1,000 endpoints beyond `after` that have pending deliveries, in the order of their ids.

    A loose scan of the index of what is due: its cost grows with the number of such endpoints, not with the
    number of deliveries. The first that is due is missing where the last pending delivery has just gone away.
    """
    rows = execute(
        """WITH RECURSIVE lane (number, endpoint_id) AS (
               SELECT 0, (SELECT endpoint_id FROM dispatch_delivery
                          WHERE status = 'pending' AND line IS NULL AND endpoint_id > %s
                          ORDER BY endpoint_id LIMIT 1)
               UNION ALL
               SELECT lane.number + 1, (SELECT delivery.endpoint_id FROM dispatch_delivery delivery
                       WHERE delivery.status = 'pending' AND delivery.line IS NULL
                         AND delivery.endpoint_id > lane.endpoint_id
                       ORDER BY delivery.endpoint_id LIMIT 1)
               FROM lane WHERE lane.endpoint_id IS NOT NULL AND lane.number < %s
           )
           SELECT lane.endpoint_id, endpoint.state,
                  (SELECT next_attempt_at FROM dispatch_delivery
                   WHERE endpoint_id = lane.endpoint_id AND status = 'pending' AND line IS NULL
                   ORDER BY next_attempt_at LIMIT 1),
                  endpoint.when_disabled, endpoint.state_changed_at, health.noted_at, health.closed_until
           FROM lane JOIN subscriptions_endpoint endpoint ON endpoint.id = lane.endpoint_id
           LEFT JOIN dispatch_endpointhealth health ON health.endpoint_id = lane.endpoint_id
           ORDER BY lane.number""",
        [after, _LANES_AT_ONCE - 1],
    )
    return [PendingLane.read(*row) for row in rows]


def cancel_pending(endpoint_id: uuid.UUID, *, note: str, now: datetime) -> int:
    """Cancel up to 1,000 pending deliveries of an endpoint, and as many in its lines, and say how many were."""
    rows = execute(
        """UPDATE dispatch_delivery
           SET status = 'cancelled', next_attempt_at = NULL, finished_at = %s, note = %s, line = NULL
           WHERE status = 'pending' AND id IN (
               SELECT id FROM (
                   SELECT id FROM dispatch_delivery
                   WHERE endpoint_id = %s AND status = 'pending' AND line IS NULL LIMIT %s) AS free
               UNION ALL
               SELECT id FROM (
                   SELECT id FROM dispatch_delivery
                   WHERE endpoint_id = %s AND status = 'pending' AND line IS NOT NULL LIMIT %s) AS in_line)
           RETURNING id""",
        [now, note, endpoint_id, _CANCELLED_AT_ONCE, endpoint_id, _CANCELLED_AT_ONCE],
    )
    return len(rows)


def _by_token(claims: Sequence[Claim]) -> Mapping[uuid.UUID, list[uuid.UUID]]:
    grouped: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for claim in claims:
        grouped[claim.token].append(claim.delivery_id)
    return grouped
