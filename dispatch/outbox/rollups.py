"""The statements of the rollups, the same on both databases."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from dispatch.latencies import BOUNDS
from dispatch.models.rollup import Period
from dispatch.selection import first_id
from dispatch.sql import execute, sqlite_parameters, to_time, to_uuid
from dispatch.states import DeliveryStatus, Trigger
from subscriptions import ids

ALL_ENDPOINTS = uuid.UUID(int=0)
_CLASSES = [*(f"ms_{bound}" for bound in BOUNDS), "ms_more"]
_COUNTS = ["attempts", *_CLASSES]
_ROWS_AT_ONCE = 500

_LEAST = [None, *BOUNDS]
_IN_CLASS = [
    " AND ".join(
        [f"attempt.duration_ms > {least}"] * (least is not None)
        + [f"attempt.duration_ms <= {most}"] * (most is not None)
    )
    for least, most in zip(_LEAST, [*BOUNDS, None], strict=True)
]
_COUNT = f"""
SELECT delivery.endpoint_id, attempt.outcome, COUNT(*),
       {", ".join(f"COUNT(*) FILTER (WHERE {each})" for each in _IN_CLASS)}
FROM dispatch_attempt attempt JOIN dispatch_delivery delivery ON delivery.id = attempt.delivery_id
WHERE attempt.id >= %s AND attempt.id < %s AND attempt.trigger <> '{Trigger.TEST.value}'
GROUP BY delivery.endpoint_id, attempt.outcome
"""
_ROW = f"({', '.join(['%s'] * (4 + len(_COUNTS)))})"
_INSERT = f"INSERT INTO dispatch_rollup (period, start, endpoint, outcome, {', '.join(_COUNTS)}) VALUES "
_OR_ADD = " ON CONFLICT (period, start, endpoint, outcome) DO UPDATE SET " + ", ".join(
    f"{name} = dispatch_rollup.{name} + excluded.{name}" for name in _COUNTS
)
# Each pending delivery under one reason, the first that `dispatch.waiting` would name. What an endpoint with limits
# lets through at this moment is known to Redis only: what is due there is counted as waiting for them.
_WAITING = """
SELECT reason, COUNT(*), MIN(due) FROM (
    SELECT CASE WHEN endpoint.state <> 'active' THEN endpoint.state
                WHEN health.closed_because <> 'retry_after' THEN 'breaker'
                WHEN health.closed_until > %s THEN 'retry_after'
                WHEN delivery.line IS NOT NULL AND EXISTS (
                    SELECT 1 FROM dispatch_delivery earlier
                    WHERE earlier.endpoint_id = delivery.endpoint_id AND earlier.line IS NOT NULL
                      AND earlier.line = delivery.line AND earlier.event_id < delivery.event_id) THEN 'order'
                WHEN delivery.next_attempt_at > %s AND delivery.attempt_count > 0 THEN 'retry'
                WHEN delivery.next_attempt_at > %s THEN 'later'
                WHEN endpoint.rate_limit IS NOT NULL THEN 'rate'
                WHEN endpoint.max_in_flight IS NOT NULL THEN 'cap'
                ELSE 'due' END AS reason,
           delivery.next_attempt_at AS due
    FROM dispatch_delivery delivery JOIN subscriptions_endpoint endpoint ON endpoint.id = delivery.endpoint_id
    LEFT JOIN dispatch_endpointhealth health ON health.endpoint_id = endpoint.id AND health.closed_until IS NOT NULL
         AND (endpoint.state_changed_at IS NULL OR health.noted_at >= endpoint.state_changed_at)
    WHERE delivery.status = 'pending'
) AS waiting GROUP BY reason
"""
# Nothing but the workers and an endpoint's own limits keeps these waiting.
_DUE = {"due", "rate", "cap"}


class Counts(NamedTuple):
    """Attempts, and attempts by the class of their duration."""

    attempts: int
    classes: tuple[int, ...]

    def __add__(self, other: "Counts") -> "Counts":  # type: ignore[override]  # two counts, not two tuples
        return Counts(self.attempts + other.attempts, tuple(map(sum, zip(self.classes, other.classes, strict=True))))


# By endpoint and outcome.
Counted = dict[tuple[uuid.UUID, str], Counts]


def first_attempt(since: datetime) -> uuid.UUID | None:
    """Find the first attempt that was recorded since then."""
    rows = execute("SELECT id FROM dispatch_attempt WHERE id >= %s ORDER BY id LIMIT 1", [_first_id(since)])
    return to_uuid(rows[0][0]) if rows else None


def count(start: datetime, end: datetime) -> Counted:
    """Count the attempts that were recorded from `start` until before `end`."""
    rows = execute(_COUNT, [_first_id(start), _first_id(end)])
    return {(to_uuid(row[0]), row[1]): Counts(row[2], tuple(row[3:])) for row in rows}


def add(period: Period, start: datetime, counted: Counted) -> None:
    """Add to what stands there already."""
    for rows in _in_parts([(endpoint, outcome, *_flat(counts)) for (endpoint, outcome), counts in counted.items()]):
        parameters = [value for row in rows for value in (period.value, start, *row)]
        _execute_long(_INSERT + ", ".join([_ROW] * len(rows)) + _OR_ADD, parameters)


def waiting(now: datetime) -> tuple[dict[str, int], datetime | None]:
    """Count pending deliveries by the reason why they wait, and say since when the oldest that could go is due."""
    rows = execute(_WAITING, [now, now, now])
    due = [to_time(row[2]) for row in rows if row[0] in _DUE]
    return {row[0]: row[1] for row in rows}, min(due, default=None)


def sending() -> int:
    """Count the deliveries that are being sent."""
    return int(
        execute("SELECT COUNT(*) FROM dispatch_delivery WHERE status = %s", [DeliveryStatus.SENDING.value])[0][0]
    )


def _first_id(moment: datetime) -> uuid.UUID:
    return ids.decode("att", first_id("att", moment))


def _flat(counts: Counts) -> tuple[int, ...]:
    return counts.attempts, *counts.classes


def _in_parts(rows: Sequence[tuple[object, ...]]) -> Iterable[Sequence[tuple[object, ...]]]:
    return (rows[at : at + _ROWS_AT_ONCE] for at in range(0, len(rows), _ROWS_AT_ONCE))


def _execute_long(sql: str, parameters: Sequence[Any]) -> None:
    """Run a statement whose text depends on the number of rows: it is not worth being prepared."""
    with connection.cursor() as cursor:
        cursor.execute(sql, sqlite_parameters(parameters) if connection.vendor == "sqlite" else parameters)
