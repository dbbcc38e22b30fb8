"""`steady`: 200 endpoints on as many hosts that answer at once, 1 KiB payloads, fan-out 1 and 10.

First as fast as it goes, with deliveries that are there already; then events are published at half of that pace,
and it is measured how long their deliveries take.
"""

from collections.abc import Iterator

from bench import seeding, workers
from bench.certificates import Certificates
from bench.draining import drain
from bench.lab import HOSTS, Lab, surroundings
from bench.pacing import pace
from bench.rows import Row, row

ENDPOINTS = 200
_HALF = 0.5


def run(lab: Lab) -> Iterator[Row]:
    for fan_out in (1, 10):
        yield measure(lab, "steady", f"fan-out {fan_out}", fan_out=fan_out)
    # Many customers of one platform behind one address: hardly a connection has to be made.
    yield measure(lab, "steady", "fan-out 10, one host", hosts=1)


def measure(
    lab: Lab,
    scenario: str,
    variant: str,
    *,
    fan_out: int = 10,
    path: str = "'now'",
    count: int = 0,
    hosts: int = HOSTS,
    certificates: Certificates | None = None,
    **variables: str,
) -> Row:
    """Measure the product with receivers behind `path`, which is SQL. `variables` are set for its workers."""
    count = count or lab.size.pick(6_000, 24_000)
    with lab.installation(hosts=hosts, certificates=certificates) as installation:
        world = seeding.endpoints(ENDPOINTS, url=installation.url(path), fan_out=fan_out)
        with workers.of_product(installation, **variables) as running:
            lab.say(f"{scenario}, {variant}: {count:,} deliveries that are due")
            seeding.deliveries(world, count)
            drained = drain(running, count, limit=lab.size.pick(15, 20))
            offered = _HALF * drained.per_second
            lab.say(f"{scenario}, {variant}: {drained.per_second:,.0f}/s; now {offered:,.0f}/s are published")
            paced = pace(running, world, per_second=offered, seconds=lab.size.pick(3.0, 8.0))
        return row(
            scenario=scenario,
            variant=variant,
            **surroundings(variables),
            **drained.figures(),
            **paced.figures(),
            notes=paced.notes(),
        )
