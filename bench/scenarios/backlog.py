"""`backlog`: a million deliveries are pending when the workers start. Does it get slower on the way, or fatter?"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from bench import accounting, seeding, workers
from bench.draining import drain
from bench.lab import Lab, surroundings
from bench.rows import Row, row
from bench.scenarios.steady import ENDPOINTS
from bench.workers import Workers
from dispatch.models import Delivery

_FAN_OUT = 10
_WARM_UP = 0.01
# The last ones of all come from the few endpoints that are not done yet.
_UNTIL = 0.99


def run(lab: Lab) -> Iterator[Row]:
    pending = lab.size.pick(50_000, 1_000_000)
    limit = lab.size.pick(60.0, 90.0, 1_200.0)
    with lab.installation() as installation:
        lab.say(f"backlog: writing {pending:,} pending deliveries")
        world = seeding.endpoints(ENDPOINTS, url=installation.url("'now'"), fan_out=_FAN_OUT)
        seeding.deliveries(world, pending)
        started_at = time.time()
        with workers.of_product(installation) as running:
            lab.say("backlog: the workers have started")
            memory = _Memory(running, after=pending // 10)
            drained = drain(running, pending, limit=limit, warm_up=_WARM_UP, until=_UNTIL, watch=memory.watch)
            ended_at = time.time()
        done = _done(ended_at)
        cut = [f"{len(done):,} of {pending:,} in {limit:.0f} s (--full waits for all)"] if len(done) < pending else []
        yield row(
            scenario="backlog",
            variant=f"{pending:,} pending",
            **surroundings(),
            **drained.figures(),
            pending=pending,
            done=len(done),
            first_outcome_after_s=done[0] - started_at,
            **_tenths(done[: round(_UNTIL * pending)]),
            rss_growth_mb=memory.growth_mb(),
            notes=cut,
        )


class _Memory:
    """How the memory of worker processes grows once a part of the deliveries is done."""

    def __init__(self, running: Workers, *, after: int) -> None:
        self._pids = running.pids()
        self._after = after
        self._looked_at = 0.0
        self._first: dict[int, float] = {}
        self._largest: dict[int, float] = {}

    def watch(self, answered: int) -> None:
        """Look at it, at most once a second."""
        now = time.monotonic()
        if answered < self._after or now - self._looked_at < 1:
            return
        self._looked_at = now
        for pid in self._pids:
            resident = accounting.resident_mb(pid)
            self._first.setdefault(pid, resident)
            self._largest[pid] = max(resident, self._largest.get(pid, 0.0))

    def growth_mb(self) -> float | None:
        """Return by how much the process grew that grew most, or None if it did not come to that."""
        return max((self._largest[pid] - first for pid, first in self._first.items()), default=None)


def _done(until: float) -> Sequence[float]:
    """List when outcomes were known up to a moment, in order (Unix time)."""
    delivered = Delivery.objects.filter(status="delivered", finished_at__lte=datetime.fromtimestamp(until, UTC))
    return sorted(each.timestamp() for each in delivered.values_list("finished_at", flat=True).iterator())


def _tenths(done: Sequence[float]) -> Mapping[str, float]:
    """Return the rates of the first tenth, after the very first ones, and of the last."""
    tenth, begin = len(done) // 10, len(done) // 100
    return {
        "first_tenth_per_s": tenth / (done[begin + tenth] - done[begin]),
        "last_tenth_per_s": tenth / (done[-1] - done[-1 - tenth]),
    }
