"""Rollups: attempts added up by minute, hour and day, so that nobody counts millions of rows to draw a chart.

An attempt belongs to the minute in which it was recorded, which its id begins with. The last minutes are counted anew
at each run, whatever was counted before. After a while, when nothing can be recorded any more that belongs to a minute,
it is counted once more, added to its hour and its day, and never looked at again: `settled_until`. Both happen in
transactions that hold the one row of `RollupState`, so that a run that is killed, or runs twice at a time, changes
nothing.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from dispatch.models import Period, Rollup, RollupState
from dispatch.outbox import rollups as statements
from dispatch.outbox.rollups import ALL_ENDPOINTS, Counted

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_KEPT = {Period.MINUTE: timedelta(days=2), Period.HOUR: timedelta(days=35), Period.DAY: timedelta(days=400)}
# A run ends after so long, so that other tasks get their turn; the next goes on.
_SECONDS_OF_A_RUN = 20.0
# Of all time, the part that may be spent on counting what waits.
_PART_FOR_WAITING = 0.05


def run(now: datetime, *, seconds: float = _SECONDS_OF_A_RUN) -> bool:
    """Bring the rollups up to `now`. False if there is more to do than could be done in that time."""
    ends = time.monotonic() + seconds
    while _settle_next(now):
        if time.monotonic() > ends:
            return False
    _count_latest(now)
    _count_waiting(now)
    for period, kept in _KEPT.items():
        Rollup.objects.filter(period=period, start__lt=now - kept).delete()
    return True


def settles_after() -> timedelta:
    """Say how long after a minute nothing can be recorded any more that belongs to it.

    An attempt is recorded only while its claim holds, and a claim that is not renewed ends with its lease; the sweep
    takes it away then.
    """
    return timedelta(seconds=max(300, 3 * settings.WEBHOOKS.claim_lease))


def floor(moment: datetime, period: Period) -> datetime:
    """Return the beginning of the minute, hour or day that `moment` belongs to."""
    whole = moment.astimezone(UTC).replace(second=0, microsecond=0)
    if period is Period.MINUTE:
        return whole
    whole = whole.replace(minute=0)
    return whole if period is Period.HOUR else whole.replace(hour=0)


@transaction.atomic
def _settle_next(now: datetime) -> bool:
    """Count the next minute for good, or an hour of long ago. False if none is old enough."""
    state = _locked_state(now)
    settled = floor(now - settles_after(), Period.MINUTE)
    first = statements.first_attempt(state.settled_until)
    start = min(settled, floor(_recorded_at(first), Period.MINUTE)) if first else settled
    start = max(start, state.settled_until)
    if start >= settled:
        _move(state, settled)
        return False
    # Nobody looks at minutes of long ago any more.
    is_old = start + _HOUR < now - _KEPT[Period.MINUTE]
    end = floor(start, Period.HOUR) + _HOUR if is_old else start + _MINUTE
    counted = statements.count(start, end)
    everything = counted | _of_all(counted)
    for period in (Period.HOUR, Period.DAY):
        statements.add(period, floor(start, period), everything)
    Rollup.objects.filter(period=Period.MINUTE, start__gte=start, start__lt=end).delete()
    if not is_old:
        statements.add(Period.MINUTE, start, _of_all(counted))
    _move(state, end)
    return True


@transaction.atomic
def _count_latest(now: datetime) -> None:
    """Count the minutes anew that may have got more since they were counted."""
    state = _locked_state(now)
    start = max(state.settled_until, floor(state.counted_until, Period.MINUTE) - _MINUTE)
    for minute in _minutes(start, now):
        counted = statements.count(minute, minute + _MINUTE)
        Rollup.objects.filter(period=Period.MINUTE, start=minute).delete()
        statements.add(Period.MINUTE, minute, counted | _of_all(counted))
    state.counted_until = now
    state.save(update_fields=["counted_until"])


def _count_waiting(now: datetime, clock: Callable[[], float] = time.monotonic) -> None:
    """Count what waits, but not again at once where that takes long."""
    state = RollupState.objects.get()
    pause = timedelta(seconds=state.waiting_took / _PART_FOR_WAITING)
    if state.waiting_at is not None and state.waiting_at + pause > now:
        return
    began = clock()
    waiting, oldest = statements.waiting(now)
    waiting["sending"] = statements.sending()
    RollupState.objects.filter(pk=state.pk).update(
        waiting=waiting, oldest_due_at=oldest, waiting_at=now, waiting_took=clock() - began
    )


def _locked_state(now: datetime) -> RollupState:
    if not RollupState.objects.filter(pk=1).exists():
        start = _beginning(floor(now - settles_after(), Period.MINUTE))
        RollupState.objects.get_or_create(pk=1, defaults={"settled_until": start, "counted_until": start})
    return RollupState.objects.select_for_update().get(pk=1)


def _beginning(settled: datetime) -> datetime:
    first = statements.first_attempt(datetime(1971, 1, 1, tzinfo=UTC))
    return min(settled, floor(_recorded_at(first), Period.MINUTE)) if first else settled


def _move(state: RollupState, settled_until: datetime) -> None:
    if settled_until > state.settled_until:
        state.settled_until = settled_until
        state.counted_until = max(state.counted_until, settled_until)
        state.save(update_fields=["settled_until", "counted_until"])


def _minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += _MINUTE


def _of_all(counted: Counted) -> Counted:
    """Add up the endpoints."""
    added: Counted = {}
    for (_, outcome), counts in counted.items():
        key = ALL_ENDPOINTS, outcome
        added[key] = added[key] + counts if key in added else counts
    return added


def _recorded_at(attempt_id: uuid.UUID) -> datetime:
    return datetime.fromtimestamp((attempt_id.int >> 80) / 1000, UTC)
