"""`neighbour`: one subscriber's burst of 200,000 while 99 others send 50/s together. What do the others notice?

The burst goes to ten endpoints, so that every worker process has its share of it.
"""

from collections.abc import Iterator

from bench import seeding, workers
from bench.draining import Meter, measured
from bench.lab import Lab, surroundings
from bench.pacing import pace
from bench.rows import Row, row
from dispatch.models import Delivery

_BURSTING = 10
_OTHERS = 99
_PER_SECOND = 50


def run(lab: Lab) -> Iterator[Row]:
    burst = lab.size.pick(30_000, 200_000)
    with lab.installation() as installation:
        is_bursting = f"n < {_BURSTING}"
        world = seeding.endpoints(
            _BURSTING + _OTHERS,
            url=installation.url(f"CASE WHEN {is_bursting} THEN 'now/burst' ELSE 'now/other' END"),
            subscriber=f"CASE WHEN {is_bursting} THEN 0 ELSE n END",
        )
        with workers.of_product(installation) as running:
            lab.say(f"neighbour: writing a burst of {burst:,}")
            seeding.deliveries(world, burst, endpoint=f"n % {_BURSTING}")
            lab.say(f"neighbour: {_OTHERS} others send {_PER_SECOND}/s together")
            meter = Meter(running)
            workers.call_sweep()
            first = meter.read()
            paced = pace(
                running,
                world,
                per_second=_PER_SECOND,
                seconds=lab.size.pick(5.0, 20.0),
                groups=range(_BURSTING, _BURSTING + _OTHERS),
                judged="/now/other/",
            )
            drained = measured(first, meter.read(), running.peak_mb())
            left = Delivery.objects.filter(status="pending").count()
        yield row(
            scenario="neighbour",
            variant=f"burst of {burst:,}",
            **surroundings(),
            **drained.figures(),
            **paced.figures(),
            burst_left=left,
            notes=[*paced.notes(), *([] if left else ["the burst was over too early"])],
        )
