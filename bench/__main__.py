"""`python -m bench [SCENARIO ...] [--json FILE] [--quick | --full]`: measure, print a table, write a JSON file."""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench import BenchError, databases, interruption, report, scenarios, servers, variables
from bench.rows import Row
from bench.size import Size
from webhooks_project.stack.services import ROOT
from webhooks_project.tether import tethered

_INTERRUPTED = 130
# A worker that is to stop finishes the requests that are under way.
_STOP_SECONDS = 60


def main() -> int:
    arguments = _arguments()
    interruption.prepare()
    # Into a file or a pipe nothing is wrapped that a wide terminal would show whole.
    console = Console() if sys.stdout.isatty() else Console(width=180)
    rows: list[Row] = []
    try:
        return 0 if _measure(arguments.scenarios, arguments.size, rows, console) else 1
    except BenchError as error:
        Console(stderr=True, soft_wrap=True).print(f"Error: {error}", style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return _INTERRUPTED
    finally:
        if rows:
            report.show(rows, console)
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
            console.print(f"Written to {arguments.json}", highlight=False)


def _arguments() -> argparse.Namespace:
    names = ", ".join(scenarios.NAMES)
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenarios", metavar="SCENARIO", nargs="*", help=f"All, or some of: {names}")
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench.json", help="Default: var/bench.json")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const=Size.QUICK, help="Small: to see it work.")
    size.add_argument("--full", dest="size", action="store_const", const=Size.FULL, help="Wait for the longest to end.")
    parser.set_defaults(size=Size.NORMAL)
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.scenarios) - set(scenarios.NAMES)):
        parser.error(f"there is no scenario {', '.join(unknown)}. There are: {names}")
    # In our order: whoever is compared runs near to whom.
    arguments.scenarios = [name for name in scenarios.NAMES if name in arguments.scenarios or not arguments.scenarios]
    return arguments


def _measure(names: Sequence[str], size: Size, rows: list[Row], console: Console) -> bool:
    """Run scenarios one after the other and add what they measured to `rows`. Return whether all succeeded."""
    succeeded = True
    with tempfile.TemporaryDirectory(prefix="webhooks-bench-", ignore_cleanup_errors=True) as path:
        directory = Path(path)
        with servers.redis_server() as redis_url:
            for on_sqlite in (False, True):
                chosen = [name for name in names if (name in scenarios.ON_SQLITE) is on_sqlite]
                if not chosen:
                    continue
                with _environment(directory, redis_url, on_sqlite=on_sqlite) as environment:
                    for name in chosen:
                        console.rule(name, align="left")
                        succeeded &= _run(name, size, directory, environment, rows)
    return succeeded


@contextlib.contextmanager
def _environment(directory: Path, redis_url: str, *, on_sqlite: bool) -> Iterator[Mapping[str, str]]:
    """Give the block the environment of scenarios, in which the database is one that can be renewed."""
    with servers.postgresql() if not on_sqlite else contextlib.nullcontext("") as server_url:
        url = databases.in_file(directory) if on_sqlite else databases.on_server(server_url)
        environment = variables.of_run(database_url=url, server_url=server_url, redis_url=redis_url)
        try:
            databases.prepare(environment)
            yield environment
        finally:
            databases.drop(environment)


def _run(name: str, size: Size, directory: Path, environment: Mapping[str, str], rows: list[Row]) -> bool:
    """Run a scenario in a process of its own, add its rows to `rows`, and return whether it came to its end."""
    command = [sys.executable, "-m", "bench.scenario", name, "--directory", str(directory), "--size", size]
    process = subprocess.Popen(
        # It stops what it started before it ends, also when this process is killed.
        tethered(command, signal.SIGTERM),
        cwd=ROOT,
        env=environment,
        # Ctrl-C in the terminal is for this process, which passes it on once.
        start_new_session=True,
    )
    try:
        return process.wait() == 0
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        output = directory / f"{name}.jsonl"
        rows += [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []


if __name__ == "__main__":
    sys.exit(main())
