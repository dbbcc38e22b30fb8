"""`latency`: every receiver takes 100 ms to answer, and 1 s. Then it is slots that count, not CPU."""

from collections.abc import Iterator

from bench.lab import Lab
from bench.rows import Row
from bench.scenarios.steady import measure

# Requests under way in one process. With the 64 of the default, 100 ms allow 640/s a process and 1 s 64/s.
_SLOTS = "256"


def run(lab: Lab) -> Iterator[Row]:
    for variant, path, count in (
        ("100 ms", "'in/100'", lab.size.pick(6_000, 15_000)),
        ("1 s", "'in/1000'", lab.size.pick(2_500, 6_000)),
    ):
        yield measure(lab, "latency", variant, path=path, count=count, WEBHOOKS_CONCURRENCY=_SLOTS)
