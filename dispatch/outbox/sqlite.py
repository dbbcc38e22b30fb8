"""The bulk statements on SQLite: a short transaction of small ones."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from dispatch.outbox.values import AttemptRow, Claim, Claimed, Share
from dispatch.sql import execute, sqlite_parameters, to_time, to_uuid

_CLAIM = """
UPDATE dispatch_delivery
SET status = 'sending', attempt_count = attempt_count + 1, next_attempt_at = NULL,
    claim_token = %s, claimed_at = %s, lease_expires_at = %s, claimed_by = %s
WHERE id IN (
    SELECT id FROM dispatch_delivery
    WHERE endpoint_id = %s AND status = 'pending' AND line IS NULL AND next_attempt_at <= %s
    ORDER BY next_attempt_at {order} LIMIT %s)
RETURNING id, event_id, endpoint_id, attempt_count
"""
_CLAIM_OLDEST, _CLAIM_NEWEST = _CLAIM.format(order="ASC"), _CLAIM.format(order="DESC")
_NEXT_DUE = """
SELECT next_attempt_at FROM dispatch_delivery
WHERE endpoint_id = %s AND status = 'pending' AND line IS NULL ORDER BY next_attempt_at LIMIT 1
"""
_MOVE = """
UPDATE dispatch_delivery
SET status = %s, next_attempt_at = %s, finished_at = %s, last_outcome = %s, last_status_code = %s,
    line = CASE WHEN %s <> 'delivered' THEN line END,
    claim_token = NULL, lease_expires_at = NULL, claimed_at = NULL
WHERE id = %s AND status = 'sending' AND claim_token = %s AND attempt_count = %s
RETURNING CASE WHEN manual_attempt = attempt_count THEN 'manual' ELSE trigger END
"""
_LOG = """
INSERT INTO dispatch_attempt (id, delivery_id, number, outcome, status_code, error, started_at, duration_ms,
                              remote_address, response_headers, response_body, worker,
                              dns_ms, connect_ms, tls_ms, first_byte_ms, request_head_id, trigger)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def claim(shares: Sequence[Share], *, now: datetime, expires_at: datetime, token: uuid.UUID, worker: str) -> Claimed:
    """Claim what is due at each endpoint, its share of it, until `expires_at`."""
    claims: list[Claim] = []
    next_due: dict[uuid.UUID, datetime | None] = {}
    with transaction.atomic():
        for endpoint_id, oldest, newest in shares:
            for statement, count in ((_CLAIM_OLDEST, oldest), (_CLAIM_NEWEST, newest)):
                rows = execute(statement, [token, now, expires_at, worker, endpoint_id, now, count]) if count else []
                claims += [Claim(to_uuid(row[0]), to_uuid(row[1]), endpoint_id, row[3], token) for row in rows]
            left = execute(_NEXT_DUE, [endpoint_id])
            next_due[endpoint_id] = to_time(left[0][0]) if left else None
    return Claimed(claims, next_due)


def finish(rows: Sequence[AttemptRow]) -> set[uuid.UUID]:
    """Log the attempts and move their deliveries where the claims still hold. Return what was moved."""
    triggers: dict[uuid.UUID, str] = {}
    with transaction.atomic(), connection.cursor() as cursor:
        for row in rows:
            move = [row.status, row.next_attempt_at, row.delivery_finished_at, row.outcome, row.status_code, row.status]
            cursor.execute(_MOVE, sqlite_parameters([*move, row.delivery_id, row.token, row.number]))
            if moved := cursor.fetchone():
                triggers[row.delivery_id] = moved[0]
        log = [
            [
                row.attempt_id,
                row.delivery_id,
                row.number,
                row.outcome,
                row.status_code,
                row.error,
                row.started_at,
                row.duration_ms,
                row.remote_address,
                row.response_headers,
                row.response_body,
                row.worker,
                *row[-5:],
                triggers[row.delivery_id],
            ]
            for row in rows
            if row.delivery_id in triggers
        ]
        cursor.executemany(_LOG, [sqlite_parameters(each) for each in log])
    return set(triggers)
