"""The bulk statements on PostgreSQL: each one prepared statement that takes arrays."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from dispatch.outbox.values import AttemptRow, Claim, Claimed, Share
from dispatch.sql import execute

# The rows of `due` are locked, so nobody else can claim them; what is locked by others is passed over. Where both
# ends of a lane meet, a row is found twice. The last column is read in the snapshot of the claim: whatever is
# published later rings its lane again.
_CLAIM = """
WITH lane AS (SELECT * FROM unnest(%b::uuid[], %s::int[], %s::int[]) AS lane (endpoint_id, oldest, newest)),
due AS MATERIALIZED (
    SELECT due.id, lane.endpoint_id FROM lane CROSS JOIN LATERAL (
        SELECT * FROM (
            SELECT id FROM dispatch_delivery
            WHERE endpoint_id = lane.endpoint_id AND status = 'pending' AND line IS NULL AND next_attempt_at <= %s
            ORDER BY next_attempt_at LIMIT lane.oldest
            FOR UPDATE SKIP LOCKED
        ) AS oldest
        UNION
        SELECT * FROM (
            SELECT id FROM dispatch_delivery
            WHERE endpoint_id = lane.endpoint_id AND status = 'pending' AND line IS NULL AND next_attempt_at <= %s
            ORDER BY next_attempt_at DESC LIMIT lane.newest
            FOR UPDATE SKIP LOCKED
        ) AS newest
    ) AS due
),
claimed AS (
    UPDATE dispatch_delivery
    SET status = 'sending', attempt_count = attempt_count + 1, next_attempt_at = NULL,
        claim_token = %s, claimed_at = %s, lease_expires_at = %s, claimed_by = %s
    WHERE id = ANY (ARRAY (SELECT id FROM due))
    RETURNING id, event_id, endpoint_id, attempt_count
)
SELECT id, event_id, endpoint_id, attempt_count, NULL::timestamptz FROM claimed
UNION ALL
SELECT NULL, NULL, lane.endpoint_id, NULL, (
    SELECT next_attempt_at FROM dispatch_delivery
    WHERE endpoint_id = lane.endpoint_id AND status = 'pending' AND line IS NULL ORDER BY next_attempt_at
    OFFSET coalesce(found.number, 0) LIMIT 1)
FROM lane LEFT JOIN (SELECT endpoint_id, count(*) AS number FROM due GROUP BY endpoint_id) AS found
    ON found.endpoint_id = lane.endpoint_id
"""

_KINDS = [
    "uuid",
    "int",
    "uuid",
    "uuid",
    "text",
    "timestamptz",
    "timestamptz",
    "text",
    "int",
    "text",
    "timestamptz",
    "int",
    "text",
    "text",
    "text",
    "text",
    "int",
    "int",
    "int",
    "int",
    "uuid",
]
_NAMES = ", ".join(AttemptRow._fields)

# A claim has a token only while its delivery is being sent. To ask for the status as well would have the planner
# look through the index of all that is being sent.
_FINISH = f"""
WITH done AS (
    SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in _KINDS)}) AS done ({_NAMES})
),
moved AS (
    UPDATE dispatch_delivery AS delivery
    SET status = done.status, next_attempt_at = done.next_attempt_at, finished_at = done.delivery_finished_at,
        last_outcome = done.outcome, last_status_code = done.status_code,
        line = CASE WHEN done.status <> 'delivered' THEN delivery.line END,
        claim_token = NULL, lease_expires_at = NULL, claimed_at = NULL
    FROM done
    -- Said twice: by the second the rows are found one by one, whatever the planner believes of a table.
    WHERE delivery.id = done.delivery_id AND delivery.id = ANY (ARRAY (SELECT delivery_id FROM done))
      AND delivery.claim_token = done.token AND delivery.attempt_count = done.number
    RETURNING delivery.id, delivery.trigger, delivery.manual_attempt
)
INSERT INTO dispatch_attempt (id, delivery_id, number, outcome, status_code, error, started_at, duration_ms,
                              remote_address, response_headers, response_body, worker,
                              dns_ms, connect_ms, tls_ms, first_byte_ms, request_head_id, trigger)
SELECT attempt_id, delivery_id, number, outcome, status_code, error, started_at, duration_ms,
       remote_address, response_headers::jsonb, response_body, worker,
       dns_ms, connect_ms, tls_ms, first_byte_ms, request_head_id,
       CASE WHEN moved.manual_attempt = done.number THEN 'manual' ELSE moved.trigger END
FROM done JOIN moved ON moved.id = done.delivery_id
RETURNING delivery_id
"""


def claim(shares: Sequence[Share], *, now: datetime, expires_at: datetime, token: uuid.UUID, worker: str) -> Claimed:
    """Claim what is due at each endpoint, its share of it, until `expires_at`."""
    endpoint_ids, oldest, newest = zip(*shares, strict=True)
    lanes = [list(endpoint_ids), list(oldest), list(newest)]
    rows = execute(_CLAIM, [*lanes, now, now, token, now, expires_at, worker])
    claims = [Claim(row[0], row[1], row[2], row[3], token) for row in rows if row[0] is not None]
    return Claimed(claims, {row[2]: row[4] for row in rows if row[0] is None})


def finish(rows: Sequence[AttemptRow]) -> set[uuid.UUID]:
    """Log the attempts and move their deliveries where the claims still hold. Return what was moved."""
    columns = zip(*rows, strict=True)
    moved = execute(_FINISH, [_array(kind, column) for kind, column in zip(_KINDS, columns, strict=True)])
    return {row[0] for row in moved}


def _array(kind: str, values: Iterable[Any]) -> str:
    """Write an array as PostgreSQL reads it (its manual, section 8.15.2), at a fifth of what psycopg needs for it."""
    write = _WRITERS[kind]
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WRITERS: dict[str, Callable[[Any], str]] = {
    "uuid": lambda value: value.hex,
    "int": str,
    "timestamptz": str,
    "text": _quoted,
}
