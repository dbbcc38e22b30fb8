"""The rows of the results: one for each measurement, a mapping that becomes an object of the JSON file."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

# In this order in the JSON file. What a scenario has beside them follows.
_ALWAYS = (
    "scenario",
    "variant",
    "transport",
    "database",
    "deliveries_per_s",
    "worker_us",
    "db_us",
    "redis_us",
    "sink_us",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "rss_mb",
)


def row(*, notes: Sequence[str] = (), **figures: Any) -> Row:
    """Make a row of `figures`, where what every row has and this one lacks is None. Numbers are rounded."""
    said = {"note": "; ".join(notes)} if notes else {}
    return {name: _rounded(value) for name, value in (dict.fromkeys(_ALWAYS) | figures | said).items()}


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
