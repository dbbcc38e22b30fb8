"""`naive`: a plain implementation of the same, as the base line. See `bench.naive`."""

from collections.abc import Iterator

from bench import seeding, workers
from bench.draining import drain
from bench.lab import Lab, surroundings
from bench.pacing import pace
from bench.rows import Row, row
from bench.scenarios.steady import ENDPOINTS

_FAN_OUT = 10
_PROCESSES = 4
_HALF = 0.5


def run(lab: Lab) -> Iterator[Row]:
    from bench.naive import tasks

    count = lab.size.pick(1_000, 2_400)
    with lab.installation() as installation:
        world = seeding.endpoints(ENDPOINTS, url=installation.url("'now'"), fan_out=_FAN_OUT)
        seeding.deliveries(world, count)
        lab.say(f"naive: {count:,} deliveries, a Celery task for each")
        tasks.enqueue_pending()
        with workers.of_naive(installation, processes=_PROCESSES) as running:
            drained = drain(running, count, limit=lab.size.pick(20, 30), begin=lambda: None)
            offered = _HALF * drained.per_second
            lab.say(f"naive: {drained.per_second:,.0f}/s; now {offered:,.0f}/s are published")
            paced = pace(
                running,
                world,
                per_second=offered,
                seconds=lab.size.pick(3.0, 8.0),
                publish="bench.naive.tasks:publish_event",
            )
        yield row(
            scenario="naive",
            variant=f"fan-out {_FAN_OUT}",
            **surroundings() | {"transport": "requests.post"},
            **drained.figures(),
            **paced.figures(),
            notes=paced.notes(),
            processes=_PROCESSES,
        )
