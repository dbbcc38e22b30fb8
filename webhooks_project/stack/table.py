"""Deliveries as a table for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

_STYLES = {"delivered": "green", "failed": "red", "cancelled": "red"}


def deliveries_table(deliveries: Sequence[Mapping[str, Any]], endpoints: Mapping[str, str]) -> Table:
    """Show one delivery a line. `endpoints` gives the endpoints' names by their ids."""
    table = Table("Event type", "Endpoint", "Status", title="Deliveries")
    table.add_column("Attempts", justify="right")
    table.add_column("Responses")
    table.add_column("Duration (ms)", justify="right")
    for delivery in deliveries:
        attempts = delivery["attempts"]
        status = delivery["status"]
        table.add_row(
            delivery["event_type"],
            endpoints[delivery["endpoint"]],
            Text(status, _STYLES.get(status, "yellow")),
            str(len(attempts)),
            " → ".join(str(attempt["status_code"] or attempt["outcome"]) for attempt in attempts),
            " + ".join(f"{attempt['duration_ms']:.0f}" for attempt in attempts),
        )
    return table
