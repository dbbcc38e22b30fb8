"""What the rollups say: how much was attempted and with what outcome, how long it took, and where it fails."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Q, Sum

from dispatch.latencies import BOUNDS, CLASSES, percentile
from dispatch.models import Period, Rollup, RollupState
from dispatch.outbox.rollups import ALL_ENDPOINTS
from dispatch.rollups import floor
from dispatch.states import Outcome
from subscriptions import ids

_CLASSES = [*(f"ms_{bound}" for bound in BOUNDS), "ms_more"]
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Span(StrEnum):
    """How far a chart looks back."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


_LENGTH = {Span.HOUR: _HOUR, Span.DAY: _DAY, Span.WEEK: 7 * _DAY, Span.MONTH: 30 * _DAY}
# What one bar of a chart stands for.
BAR = {Span.HOUR: Period.MINUTE, Span.DAY: Period.HOUR, Span.WEEK: Period.HOUR, Span.MONTH: Period.DAY}
_STEP = {Period.MINUTE: timedelta(minutes=1), Period.HOUR: _HOUR, Period.DAY: _DAY}


@dataclass(frozen=True, slots=True)
class Traffic:
    """Attempts over time: `by_outcome` has a number for each of `starts`. Latencies are milliseconds of successes."""

    bar: Period
    starts: Sequence[datetime]
    by_outcome: dict[str, list[int]]
    p50: float | None
    p95: float | None

    @property
    def attempts(self) -> int:
        return sum(map(sum, self.by_outcome.values()))

    @property
    def success_rate(self) -> float | None:
        """The part of the attempts that succeeded, or None where there was none."""
        return sum(self.by_outcome.get(Outcome.SUCCESS, [])) / self.attempts if self.attempts else None


@dataclass(frozen=True, slots=True)
class Failing:
    """An endpoint and how many of its attempts failed."""

    endpoint_id: str
    failed: int
    attempts: int


def traffic(span: Span, now: datetime, *, endpoint_id: str | None = None) -> Traffic:
    """Add up the attempts of the last hour, day, week or month, of one endpoint or of all.

    Of one endpoint, minutes are known only for the last few: its hours are the shortest that can be asked for.
    """
    bar = Period.HOUR if endpoint_id and span is Span.HOUR else BAR[span]
    since = floor(now - _LENGTH[span], bar)
    key = ALL_ENDPOINTS if endpoint_id is None else ids.decode("ep", endpoint_id)
    starts = list(_starts(since, now, bar))
    at = {start: number for number, start in enumerate(starts)}
    by_outcome: dict[str, list[int]] = defaultdict(lambda: [0] * len(starts))
    latencies = [0] * CLASSES
    rows = Rollup.objects.filter(_counted(bar, since), endpoint=key)
    for start, outcome, attempts, *classes in rows.values_list("start", "outcome", "attempts", *_CLASSES):
        bar_number = at.get(floor(start, bar))
        if bar_number is None:
            continue
        by_outcome[outcome][bar_number] += attempts
        if outcome == Outcome.SUCCESS:
            latencies = [sum(pair) for pair in zip(latencies, classes, strict=True)]
    return Traffic(bar, starts, dict(by_outcome), percentile(latencies, 0.5), percentile(latencies, 0.95))


def failing_endpoints(span: Span, now: datetime, *, limit: int = 10) -> list[Failing]:
    """List the endpoints with most failed attempts, in whole hours or, beyond a day, whole days."""
    period = Period.HOUR if _LENGTH[span] <= _DAY else Period.DAY
    rows = Rollup.objects.filter(_counted(period, floor(now - _LENGTH[span], period))).exclude(endpoint=ALL_ENDPOINTS)
    sums = rows.values_list("endpoint").annotate(total=Sum("attempts"))
    failed = dict(sums.exclude(outcome=Outcome.SUCCESS).order_by("-total", "endpoint")[:limit])
    attempts = dict(sums.filter(endpoint__in=list(failed)))
    return [Failing(ids.encode("ep", each), count, attempts[each]) for each, count in failed.items()]


def _counted(period: Period, since: datetime) -> Q:
    """Select what was added to hours and days, and the minutes that were not yet."""
    if period is Period.MINUTE:
        return Q(period=period, start__gte=since)
    counted = Q(period=period, start__gte=since)
    settled = RollupState.objects.values_list("settled_until", flat=True).first()
    if settled:
        counted |= Q(period=Period.MINUTE, start__gte=max(settled, since))
    return counted


def _starts(since: datetime, now: datetime, bar: Period) -> Iterable[datetime]:
    while since <= now:
        yield since
        since += _STEP[bar]
