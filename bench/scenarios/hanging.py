"""`hanging`: 5 % of the endpoints take a request and never answer. What do the others notice of them?

The same is measured with and without them: how fast deliveries that are due get done, and how long they take
while so many are published as are half of what was done without.
"""

from collections.abc import Iterator

from bench import seeding, workers
from bench.draining import drain
from bench.lab import Lab, surroundings
from bench.pacing import pace
from bench.rows import Row, row
from bench.scenarios.steady import ENDPOINTS

_FAN_OUT = 10
_HALF = 0.5
_ONE_IN = 20


def run(lab: Lab) -> Iterator[Row]:
    free = _measure(lab, "none hang", "'now'", offered=None)
    yield free
    some = f"CASE WHEN n % {_ONE_IN} = 0 THEN 'never' ELSE 'now' END"
    yield _measure(lab, "5 % hang", some, offered=_HALF * free["deliveries_per_s"])


def _measure(lab: Lab, variant: str, path: str, *, offered: float | None) -> Row:
    count = lab.size.pick(6_000, 24_000)
    answered = count if offered is None else count - count // _ONE_IN
    with lab.installation() as installation:
        world = seeding.endpoints(ENDPOINTS, url=installation.url(path), fan_out=_FAN_OUT)
        with workers.of_product(installation) as running:
            lab.say(f"hanging, {variant}: {count:,} deliveries that are due")
            seeding.deliveries(world, count)
            drained = drain(running, answered, limit=lab.size.pick(20, 30))
            offered = offered or _HALF * drained.per_second
            lab.say(f"hanging, {variant}: {drained.per_second:,.0f}/s healthy; now {offered:,.0f}/s are published")
            # In the larger size longer than `pump_slice`: what happens between two runs of a pump counts too.
            paced = pace(running, world, per_second=offered, seconds=lab.size.pick(5.0, 30.0), judged="/now/")
            return row(
                scenario="hanging",
                variant=variant,
                **surroundings(),
                **drained.figures(),
                **paced.figures(),
                notes=paced.notes(),
            )
