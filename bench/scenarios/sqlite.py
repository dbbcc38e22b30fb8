"""`sqlite`: steady, on the embedded database."""

from collections.abc import Iterator

from bench.lab import Lab
from bench.rows import Row
from bench.scenarios.steady import measure


def run(lab: Lab) -> Iterator[Row]:
    yield measure(lab, "sqlite", "fan-out 10", count=lab.size.pick(4_000, 12_000))
