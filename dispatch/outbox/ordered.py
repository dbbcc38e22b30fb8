"""Lines: the deliveries of ordered endpoints, one line for each ordering key, of which only the first may be sent.

A delivery stands in its line until it is delivered, or left out: cancelled, or failed where others may go past it. Who
is first is asked of the database each time it is claimed, so nobody overtakes, whoever believes to serve the endpoint.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from dispatch.outbox.values import Claim, PendingLane
from dispatch.sql import execute, places, to_time, to_uuid
from dispatch.states import DeliveryStatus

LINES_AT_ONCE = 100
_LEFT_AT_ONCE = 1000
_LANES_AT_ONCE = 1000

# A loose scan of the index of lines: its cost grows with the lines that are looked at, not with what stands in them.
_HEADS = """
WITH RECURSIVE head (number, line) AS (
    SELECT 0, (SELECT line FROM dispatch_delivery
               WHERE endpoint_id = %s AND line IS NOT NULL AND line {after} %s ORDER BY line LIMIT 1)
    UNION ALL
    SELECT head.number + 1, (SELECT delivery.line FROM dispatch_delivery delivery
                             WHERE delivery.endpoint_id = %s AND delivery.line IS NOT NULL
                               AND delivery.line > head.line
                             ORDER BY delivery.line LIMIT 1)
    FROM head WHERE head.line IS NOT NULL AND head.number < %s
)
SELECT delivery.id, delivery.status, delivery.next_attempt_at, head.line
FROM head JOIN dispatch_delivery delivery ON delivery.id = (
    SELECT first.id FROM dispatch_delivery first
    WHERE first.endpoint_id = %s AND first.line IS NOT NULL AND first.line = head.line
    ORDER BY first.event_id LIMIT 1)
WHERE head.line IS NOT NULL ORDER BY head.number
"""
_LEAVE = """
UPDATE dispatch_delivery SET line = NULL WHERE id IN (
    SELECT id FROM dispatch_delivery
    WHERE endpoint_id = %s AND line IS NOT NULL AND status IN ({statuses})
    ORDER BY line, event_id LIMIT %s)
"""
_CLAIM = """
UPDATE dispatch_delivery
SET status = 'sending', attempt_count = attempt_count + 1, next_attempt_at = NULL,
    claim_token = %s, claimed_at = %s, lease_expires_at = %s, claimed_by = %s
WHERE id IN ({ids}) AND status = 'pending' AND next_attempt_at <= %s AND NOT EXISTS (
    SELECT 1 FROM dispatch_delivery earlier
    WHERE earlier.endpoint_id = dispatch_delivery.endpoint_id AND earlier.line IS NOT NULL
      AND earlier.line = dispatch_delivery.line AND earlier.event_id < dispatch_delivery.event_id)
RETURNING id, event_id, endpoint_id, attempt_count
"""
_LANES = """
WITH RECURSIVE lane (number, endpoint_id) AS (
    SELECT 0, (SELECT endpoint_id FROM dispatch_delivery WHERE line IS NOT NULL AND endpoint_id > %s
               ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT lane.number + 1, (SELECT delivery.endpoint_id FROM dispatch_delivery delivery
                             WHERE delivery.line IS NOT NULL AND delivery.endpoint_id > lane.endpoint_id
                             ORDER BY delivery.endpoint_id LIMIT 1)
    FROM lane WHERE lane.endpoint_id IS NOT NULL AND lane.number < %s
)
SELECT lane.endpoint_id, endpoint.state, endpoint.ordered, endpoint.when_head_fails, endpoint.when_disabled,
       endpoint.state_changed_at, health.noted_at, health.closed_until, head.status, head.next_attempt_at,
       head.line <> (SELECT last.line FROM dispatch_delivery last
                     WHERE last.endpoint_id = lane.endpoint_id AND last.line IS NOT NULL
                     ORDER BY last.line DESC LIMIT 1)
FROM lane
JOIN subscriptions_endpoint endpoint ON endpoint.id = lane.endpoint_id
LEFT JOIN dispatch_endpointhealth health ON health.endpoint_id = lane.endpoint_id
JOIN dispatch_delivery head ON head.id = (
    SELECT first.id FROM dispatch_delivery first
    WHERE first.endpoint_id = lane.endpoint_id AND first.line IS NOT NULL ORDER BY first.line, first.event_id LIMIT 1)
ORDER BY lane.number
"""
_OVER = (DeliveryStatus.DELIVERED, DeliveryStatus.CANCELLED)


class Head(NamedTuple):
    """The first of a line."""

    delivery_id: uuid.UUID
    status: DeliveryStatus
    next_attempt_at: datetime | None
    line: str


class InLine(NamedTuple):
    """What `claim_in_order` took, when the next of those lines is due, and the last line that it looked at.

    `next_due` is None where all that is first is being sent, or has failed and keeps the others waiting; `last_line` is
    None where there is no line beyond.
    """

    claims: list[Claim]
    next_due: datetime | None
    last_line: str | None


def claim_in_order(
    endpoint_id: uuid.UUID,
    room: int,
    *,
    beyond: str | None,
    skips_failed: bool,
    now: datetime,
    expires_at: datetime,
    worker: str,
) -> InLine:
    """Claim up to `room` of those that are first in their line and due, in the lines `beyond` one, or from the start.

    Where the endpoint `skips_failed`, those that failed for good are left out of their lines.
    """
    over = {*_OVER, DeliveryStatus.FAILED} if skips_failed else set(_OVER)
    found = heads(endpoint_id, beyond=beyond)
    if any(head.status in over for head in found):
        leave_lines(endpoint_id, over)
        found = heads(endpoint_id, beyond=beyond)
    due = [head for head in found if head.next_attempt_at is not None and head.next_attempt_at <= now]
    claims = _claim([head.delivery_id for head in due[:room]], now=now, expires_at=expires_at, worker=worker)
    waiting = [head.next_attempt_at for head in found if head.next_attempt_at is not None and head not in due]
    if len(due) > room:
        return InLine(claims, min(waiting, default=None), due[room - 1].line)
    if any(head.status in over for head in found):
        return InLine(claims, now, None)
    return InLine(claims, min(waiting, default=None), found[-1].line if len(found) >= LINES_AT_ONCE else None)


def heads(endpoint_id: uuid.UUID, *, beyond: str | None = None) -> list[Head]:
    """List the first of each line of an endpoint, up to 100 lines, those `beyond` one or from the start."""
    statement = _HEADS.format(after=">=" if beyond is None else ">")
    rows = execute(statement, [endpoint_id, beyond or "", endpoint_id, LINES_AT_ONCE - 1, endpoint_id])
    return [_head(*row) for row in rows]


def head_of(endpoint_id: uuid.UUID, line: str) -> Head | None:
    """Find the first of one line, if anything stands in it."""
    rows = execute(
        """SELECT id, status, next_attempt_at, line FROM dispatch_delivery
           WHERE endpoint_id = %s AND line IS NOT NULL AND line = %s ORDER BY event_id LIMIT 1""",
        [endpoint_id, line],
    )
    return _head(*rows[0]) if rows else None


def leave_lines(endpoint_id: uuid.UUID, statuses: Collection[DeliveryStatus]) -> None:
    """Let up to 1,000 deliveries with these statuses leave their lines."""
    statement = _LEAVE.format(statuses=places(list(statuses)))
    execute(statement, [endpoint_id, *[status.value for status in statuses], _LEFT_AT_ONCE])


def lined_lanes(after: uuid.UUID) -> list[PendingLane]:
    """List up to 1,000 endpoints beyond `after` that have lines, in the order of their ids."""
    rows = execute(_LANES, [after, _LANES_AT_ONCE - 1])
    return [_lane(*row) for row in rows]


def _head(delivery_id: uuid.UUID | str, status: str, next_attempt_at: datetime | str | None, line: str) -> Head:
    due_at = None if next_attempt_at is None else to_time(next_attempt_at)
    return Head(to_uuid(delivery_id), DeliveryStatus(status), due_at, line)


def _lane(
    endpoint_id: uuid.UUID | str,
    state: str,
    is_ordered: bool,
    when_head_fails: str,
    when_disabled: str,
    state_changed_at: datetime | str | None,
    noted_at: datetime | str | None,
    closed_until: datetime | str | None,
    status: str,
    next_attempt_at: datetime | str | None,
    has_more_lines: bool,
) -> PendingLane:
    lane = PendingLane.read(endpoint_id, state, None, when_disabled, state_changed_at, noted_at, closed_until)
    if not is_ordered:
        return lane._replace(is_out_of_line=True)
    is_waiting = status == DeliveryStatus.SENDING or (status == DeliveryStatus.FAILED and when_head_fails == "stop")
    if next_attempt_at is not None and not has_more_lines:
        return lane._replace(next_due=to_time(next_attempt_at))
    return lane._replace(is_due=has_more_lines or not is_waiting)


def _claim(due: Sequence[uuid.UUID], *, now: datetime, expires_at: datetime, worker: str) -> list[Claim]:
    if not due:
        return []
    token = uuid.uuid4()
    rows = execute(_CLAIM.format(ids=places(due)), [token, now, expires_at, worker, *due, now])
    return [Claim(to_uuid(row[0]), to_uuid(row[1]), to_uuid(row[2]), row[3], token) for row in rows]
