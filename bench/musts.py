"""What the figures are held against. Nothing fails here: machines differ, and ratios say more than times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.rows import Row

_UNITS = {"_us": " µs", "_ms": " ms", "_mb": " MB", "_per_s": "/s"}
_NOT_THE_PRODUCTS_WORKERS = {"naive", "ingest"}


@dataclass(frozen=True, slots=True)
class Must:
    """One line: what is wanted in a scenario, what was measured, and whether that is enough."""

    scenario: str
    wanted: str
    measured: str
    met: bool


class _Rows:
    """The rows of a run, to be asked for."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.everything = rows

    def all(self, scenario: str, **wanted: Any) -> list[Row]:
        return [
            row
            for row in self.everything
            if row["scenario"] == scenario and all(row.get(name) == value for name, value in wanted.items())
        ]

    def one(self, scenario: str, **wanted: Any) -> Row | None:
        return next(iter(self.all(scenario, **wanted)), None)


def judge(rows: Sequence[Row]) -> list[Must]:
    """Compare what was measured with what must be reached, as far as the scenarios that it takes were run."""
    asked = _Rows(rows)
    return [must for judging in (_steady, _hanging, _latency, _others, _ingest, _memory) for must in judging(asked)]


def _steady(rows: _Rows) -> Iterator[Must]:
    naive = rows.one("naive")
    for row in rows.all("steady"):
        name = f"steady, {row['variant']}"
        if naive:
            ratio = row["deliveries_per_s"] / naive["deliveries_per_s"]
            yield Must(name, "at least 10 times naive", f"{ratio:.1f} times", ratio >= 10)
        yield _at_most(name, row, "worker_us", 400, "worker CPU at most 400 µs")
        yield _at_most(name, row, "db_us", 60, "database CPU at most 60 µs")


def _hanging(rows: _Rows) -> Iterator[Must]:
    full, free = rows.one("hanging", variant="5 % hang"), rows.one("hanging", variant="none hang")
    if not (full and free):
        return
    share = full["deliveries_per_s"] / free["deliveries_per_s"]
    yield Must("hanging", "healthy deliveries at 70 % or more of those without", f"{share:.0%}", share >= 0.7)
    if full["p99_ms"] and free["p99_ms"]:
        times = full["p99_ms"] / free["p99_ms"]
        measured = f"{times:.1f} times ({full['p99_ms']:.0f} ms, {free['p99_ms']:.0f} ms)"
        yield Must("hanging", "healthy p99 at most 2 times that without", measured, times <= 2)


def _latency(rows: _Rows) -> Iterator[Must]:
    for variant, least in (("100 ms", 1500), ("1 s", 250)):
        if row := rows.one("latency", variant=variant):
            yield _at_least(f"latency, {variant}", row, "deliveries_per_s", least, f"at least {least}/s")


def _others(rows: _Rows) -> Iterator[Must]:
    if row := rows.one("idle"):
        yield _at_most("idle", row, "p50_ms", 10, "p50 at most 10 ms")
        yield _at_most("idle", row, "p99_ms", 30, "p99 at most 30 ms")
    if row := rows.one("backlog"):
        share = row["last_tenth_per_s"] / row["first_tenth_per_s"]
        measured = f"{share:.0%} ({row['done']:,} of {row['pending']:,} done)"
        yield Must("backlog", "last tenth at 90 % or more of the first", measured, share >= 0.9)
        yield _at_most("backlog", row, "rss_growth_mb", 30, "RSS flat within 30 MB")
    steady = rows.one("steady", variant="fan-out 1")
    if (row := rows.one("sparse")) and steady:
        share = row["deliveries_per_s"] / steady["deliveries_per_s"]
        yield Must("sparse", "at 80 % or more of steady", f"{share:.0%}", share >= 0.8)
    for row in rows.all("gated"):
        if row.get("ratio"):
            name = f"gated, {row['variant']}"
            yield _at_most(name, row, "ratio", 1.2, "a claim costs at most 1.2 times what it does with nothing waiting")
    if row := rows.one("neighbour"):
        yield _at_most("neighbour", row, "p95_ms", 100, "the others' p95 at most 100 ms")
        yield _at_most("neighbour", row, "p99_ms", 250, "the others' p99 at most 250 ms")


def _ingest(rows: _Rows) -> Iterator[Must]:
    if row := rows.one("ingest", variant="single, fan-out 10"):
        yield _at_least("ingest, single, fan-out 10", row, "events_per_s", 900, "at least 900 requests/s a process")
    if row := rows.one("ingest", variant="batches of 100, fan-out 10"):
        name = "ingest, batches of 100, fan-out 10"
        yield _at_least(name, row, "events_per_s", 6000, "at least 6,000 events/s a process")
    for row in rows.all("ingest", fan_out=100):
        share = row["db_share"]
        if share is not None:
            yield Must(f"ingest, {row['variant']}", "bounded by the database", f"{share:.0%} of all CPU", share >= 0.5)


def _memory(rows: _Rows) -> Iterator[Must]:
    workers = [row for row in rows.everything if row["rss_mb"] and row["scenario"] not in _NOT_THE_PRODUCTS_WORKERS]
    if workers:
        largest = max(workers, key=lambda row: row["rss_mb"])
        where = f"{largest['scenario']}, {largest['variant']}"
        measured = f"{largest['rss_mb']:.0f} MB ({where})"
        yield Must("memory", "workers at most 120 MB each", measured, largest["rss_mb"] <= 120)


def _at_most(name: str, row: Row, figure: str, most: float, wanted: str) -> Must:
    value = row[figure]
    return Must(name, wanted, _text(figure, value), value is not None and value <= most)


def _at_least(name: str, row: Row, figure: str, least: float, wanted: str) -> Must:
    value = row[figure]
    return Must(name, wanted, _text(figure, value), value is not None and value >= least)


def _text(figure: str, value: float | None) -> str:
    unit = next((unit for ending, unit in _UNITS.items() if figure.endswith(ending)), "")
    return "not measured" if value is None else f"{value:,.4g}{unit}"
