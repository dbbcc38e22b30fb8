"""`hot`: one endpoint with 60,000 due deliveries. One process at a time serves an endpoint."""

from collections.abc import Iterator

from bench import seeding, workers
from bench.draining import drain
from bench.lab import Lab, surroundings
from bench.rows import Row, row
from bench.scenarios.steady import ENDPOINTS


def run(lab: Lab) -> Iterator[Row]:
    count = lab.size.pick(6_000, 60_000)
    with lab.installation() as installation:
        world = seeding.endpoints(ENDPOINTS, url=installation.url("'now'"))
        with workers.of_product(installation) as running:
            lab.say(f"hot: {count:,} deliveries that are due at one endpoint")
            seeding.deliveries(world, count, endpoint="0")
            drained = drain(running, count, limit=lab.size.pick(15, 20))
        yield row(scenario="hot", variant=f"{count:,} due", **surroundings(), **drained.figures())
