"""The results in the terminal: a table of what was measured, and one of what must be reached."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench import musts
from bench.rows import Row

_COLUMNS = {
    "deliveries_per_s": "per s",
    "worker_us": "worker\nµs",
    "db_us": "database\nµs",
    "redis_us": "Redis\nµs",
    "sink_us": "sink\nµs",
    "p50_ms": "p50\nms",
    "p95_ms": "p95\nms",
    "p99_ms": "p99\nms",
    "rss_mb": "RSS\nMB",
    "sink_share": "sink\ncore",
    "connections_per_delivery": "connects",
}
_LEGEND = (
    "per s: deliveries done in a second. µs: CPU time of each part for one delivery; in ingest for one event, where "
    "the worker is the web process. ms: from the commit of an event to the commit of the outcome, at half of that "
    "pace; in ingest from request to answer. RSS: the largest process, at its largest. sink core: the part of a core "
    "that the receiver took. connects: connections made for each request."
)
# Machines that are busy with something else measure that.
_NOISE = 0.1
_NAME_WIDTH = 24


def show(rows: Sequence[Row], console: Console) -> None:
    """Print both tables, with what there is to be said about single rows between them."""
    console.print(_measured(rows))
    console.print(_LEGEND, style="dim", highlight=False)
    for row in rows:
        if note := row.get("note"):
            console.print(f"{_name(row)}: {note}.", highlight=False)
    if noisy := [_name(row) for row in rows if row.get("others_share", 0) > _NOISE]:
        console.print(
            f"Something else took more than {_NOISE:.0%} of this machine during: {'; '.join(noisy)}.",
            style="yellow",
            highlight=False,
        )
    if judged := musts.judge(rows):
        console.print(_against_musts(judged))


def _measured(rows: Sequence[Row]) -> Table:
    table = Table(title="Measured", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Scenario", min_width=_NAME_WIDTH)
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(_name(row), *(_number(row.get(figure)) for figure in _COLUMNS))
    return table


def _against_musts(judged: Sequence[musts.Must]) -> Table:
    table = Table(
        *("Scenario", "Must", "Measured", ""),
        title="What must be reached",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for must in judged:
        table.add_row(must.scenario, must.wanted, must.measured, "[green]yes[/]" if must.met else "[red]no[/]")
    return table


def _name(row: Row) -> str:
    return f"{row['scenario']}, {row['variant']}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
