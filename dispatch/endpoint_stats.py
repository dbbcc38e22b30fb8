"""How an endpoint did lately: what became of its deliveries, and how long its attempts took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatch.models import Attempt, Delivery
from dispatch.selection import first_id
from dispatch.states import Outcome, Trigger
from subscriptions.models import Endpoint

# Deliveries that are counted at most: the newest.
COUNTED = 5_000
WINDOWS: Mapping[str, timedelta] = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of deliveries by status and of attempts by outcome. Times are milliseconds.

    `success_rate` is the part of the attempts that succeeded. Without attempts it is None, as the times are.
    `is_complete` is False where more was sent than is counted.
    """

    since: datetime
    is_complete: bool
    deliveries: Mapping[str, int]
    attempts: Mapping[str, int]
    success_rate: float | None
    p50_ms: int | None
    p95_ms: int | None


def stats(endpoint: Endpoint, window: timedelta, *, now: datetime) -> Stats:
    """Count the deliveries that were made within `window`, without tests, and their attempts."""
    since = now - window
    made = Delivery.objects.filter(endpoint=endpoint, pk__gte=first_id("dlv", since)).order_by("-pk")
    newest = list(made.values_list("status", "trigger")[: COUNTED + 1])
    counted = [status for status, trigger in newest[:COUNTED] if trigger != Trigger.TEST]
    attempts = Attempt.objects.filter(delivery__in=made.values("pk")[:COUNTED]).exclude(trigger=Trigger.TEST)
    rows = list(attempts.values_list("outcome", "duration_ms"))
    outcomes = Counter(outcome for outcome, _ in rows)
    durations = sorted(duration for _, duration in rows if duration is not None)
    return Stats(
        since=since,
        is_complete=len(newest) <= COUNTED,
        deliveries=Counter(counted),
        attempts=outcomes,
        success_rate=round(outcomes[Outcome.SUCCESS] / len(rows), 4) if rows else None,
        p50_ms=_percentile(durations, 0.50),
        p95_ms=_percentile(durations, 0.95),
    )


def _percentile(durations: Sequence[int], part: float) -> int | None:
    """Return the smallest that at least this part of them does not exceed (the nearest rank)."""
    return durations[max(0, -int(-part * len(durations) // 1) - 1)] if durations else None
