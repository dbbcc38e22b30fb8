"""Measuring how fast deliveries that are due get done."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench import BenchError, accounting
from bench.accounting import Snapshot, Usage
from bench.sink import Counts
from bench.workers import Workers, call_sweep
from dispatch.models import Attempt, Delivery

_POLL_SECONDS = 0.1
_FLUSH_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Drained:
    """What was seen between two moments in the middle of it."""

    per_second: float
    deliveries: int
    usage: Usage
    peak_mb: float
    # Connections made for each request that was answered.
    connections: float | None

    def figures(self) -> Mapping[str, Any]:
        """Return the figures of a row of the results."""
        return {
            "deliveries_per_s": self.per_second,
            **{f"{name}_us": self.usage.per(name, self.deliveries) for name in ("worker", "db", "redis", "sink")},
            "rss_mb": self.peak_mb,
            "deliveries": self.deliveries,
            "seconds": self.usage.seconds,
            "connections_per_delivery": self.connections,
            "sink_share": self.usage.groups["sink"] / self.usage.seconds,
            "others_share": self.usage.others_share,
        }


@dataclass(frozen=True, slots=True)
class Moment:
    """What was counted up to a moment."""

    used: Snapshot
    sink: Counts


class Meter:
    """Reads what there is to count while `workers` work."""

    def __init__(self, workers: Workers) -> None:
        self._sink = workers.installation.sink
        self._accounting = workers.accounting()

    def read(self) -> Moment:
        """Read it now."""
        return Moment(self._accounting.snapshot(), self._sink.counts())


def drain(
    workers: Workers,
    total: int,
    *,
    limit: float,
    begin: Callable[[], None] = call_sweep,
    warm_up: float = 0.2,
    until: float = 0.95,
    watch: Callable[[int], None] = lambda answered: None,
) -> Drained:
    """Let the workers work off what is due, and measure it once a part of `total` is done, and up to another part.

    What comes before is the warm-up: connections are opened, windows grow. What comes after is left out because
    towards the end not everybody has work. Ends after `limit` seconds at the latest; `total` is how many
    requests will be answered. `begin` starts it, `watch` is told often how many have been. Raises `BenchError`
    if the warm-up does not end in time.
    """
    sink, lab, meter = workers.installation.sink, workers.installation.lab, Meter(workers)
    before = sink.counts().answered
    deadline = time.monotonic() + limit

    def wait(wanted: float) -> int:
        while True:
            answered = sink.counts().answered - before
            lab.show(f"{answered:,} of {total:,}")
            watch(answered)
            if answered >= wanted or time.monotonic() > deadline:
                return answered
            workers.check()
            time.sleep(_POLL_SECONDS)

    begin()
    if wait(warm_up * total) < warm_up * total:
        raise BenchError(_stuck(total, limit))
    first = meter.read()
    wait(until * total)
    last = meter.read()
    peak = workers.peak_mb()
    wait(total)
    return measured(first, last, peak)


def measured(first: Moment, last: Moment, peak_mb: float) -> Drained:
    """Put together what happened between two moments."""
    # Outcomes are written a moment after they are known.
    time.sleep(_FLUSH_SECONDS)
    usage = accounting.between(first.used, last.used)
    done = Delivery.objects.filter(
        status="delivered",
        finished_at__gte=datetime.fromtimestamp(first.used.at, UTC),
        finished_at__lt=datetime.fromtimestamp(last.used.at, UTC),
    ).count()
    answered, accepted = (end - begin for begin, end in zip(first.sink, last.sink, strict=True))
    return Drained(done / usage.seconds, done, usage, peak_mb, accepted / answered if answered else None)


def _stuck(total: int, limit: float) -> str:
    states = dict(Counter(Delivery.objects.values_list("status", flat=True)))
    errors = Counter(Attempt.objects.exclude(outcome="success").values_list("outcome", "error")[:10_000])
    commonest = "; ".join(f"{number} times {outcome}: {error}" for (outcome, error), number in errors.most_common(2))
    return f"Of {total} deliveries hardly any arrived within {limit:g} s: {states}. {commonest}"
