"""`make up`: the stack until Ctrl-C."""

import time
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from webhooks_project.stack.services import Stack, running

_POLL_SECONDS = 0.2


def run(directory: Path, console: Console) -> int:
    """Run the stack until it is interrupted. Raises `StackError` if it cannot start or one of its processes ends."""
    with running(directory, default_port=8000) as stack:
        show_access(stack, console)
        try:
            while True:
                stack.processes.check()
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            console.print("Stopping: requests that are under way are finished first.")
    return 0


def show_access(stack: Stack, console: Console) -> None:
    """Print where the stack is and how to get in."""
    credentials = stack.credentials
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, text in (
        ("Admin", f"{credentials.base_url}/admin/"),
        ("Login", f"{credentials.admin_username} / {credentials.admin_password}"),
        ("REST API", f"{credentials.base_url}/api/v1/"),
        ("API key", credentials.api_key),
        ("Also in", str(stack.directory / "credentials.json")),
        ("Logs", str(stack.directory / "log")),
    ):
        grid.add_row(name, text)
    console.print(Panel(grid, title="The dispatcher is up", subtitle="Ctrl-C stops it", expand=False))
