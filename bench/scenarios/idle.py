"""`idle`: one event at a time while nothing else happens, and what it costs when nothing happens at all."""

import time
from collections.abc import Iterator

from bench import accounting, seeding, workers
from bench.lab import Lab, surroundings
from bench.pacing import pace
from bench.rows import Row, row
from bench.scenarios.steady import ENDPOINTS

_EVENTS_PER_SECOND = 12
_JITTER = 0.5


def run(lab: Lab) -> Iterator[Row]:
    quiet_seconds = lab.size.pick(3.0, 8.0)
    with lab.installation() as installation:
        world = seeding.endpoints(ENDPOINTS, url=installation.url("'now'"))
        with workers.of_product(installation) as running:
            watched = running.accounting()
            lab.say("idle: an event now and then")
            before = watched.snapshot()
            paced = pace(
                running,
                world,
                per_second=_EVENTS_PER_SECOND,
                seconds=lab.size.pick(5.0, 20.0),
                jitter=_JITTER,
            )
            usage = accounting.between(before, watched.snapshot())
            lab.say("idle: nothing at all")
            before = watched.snapshot()
            time.sleep(quiet_seconds)
            quiet = accounting.between(before, watched.snapshot())
            shares = {name: quiet.groups.get(name, 0.0) / quiet.seconds for name in ("worker", "db", "redis")}
            yield row(
                scenario="idle",
                variant="one at a time",
                **surroundings(),
                **paced.figures(),
                **{f"{name}_us": usage.per(name, paced.published) for name in usage.groups},
                rss_mb=running.peak_mb(),
                others_share=usage.others_share,
                **{f"quiet_{name}_share": share for name, share in shares.items()},
                notes=[
                    "of a core when nothing happens: workers {worker:.1%}, database {db:.1%}, Redis {redis:.1%}".format(
                        **shares
                    ),
                    *paced.notes(),
                ],
            )
