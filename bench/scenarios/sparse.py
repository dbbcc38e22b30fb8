"""`sparse`: 50,000 endpoints with one due delivery each, the common case of many small customers."""

from collections.abc import Iterator

from bench import seeding, workers
from bench.draining import drain
from bench.lab import Lab, surroundings
from bench.rows import Row, row


def run(lab: Lab) -> Iterator[Row]:
    count = lab.size.pick(5_000, 50_000)
    with lab.installation() as installation:
        lab.say(f"sparse: writing {count:,} endpoints")
        world = seeding.endpoints(count, url=installation.url("'now'"))
        with workers.of_product(installation) as running:
            lab.say(f"sparse: {count:,} deliveries that are due")
            seeding.deliveries(world, count)
            drained = drain(running, count, limit=lab.size.pick(20, 40))
        yield row(scenario="sparse", variant=f"{count:,} endpoints", **surroundings(), **drained.figures())
