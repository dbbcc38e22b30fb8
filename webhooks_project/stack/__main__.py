"""`python -m webhooks_project.stack up` and `… demo`."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console

from webhooks_project.stack import StackError, demo, up
from webhooks_project.stack.services import ROOT

_INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m webhooks_project.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "demo"])
    parser.add_argument("--directory", type=Path, help="Where the stack keeps its files. Default: below var/.")
    arguments = parser.parse_args()
    # Passwords, keys and payloads lie in these files.
    os.umask(0o077)
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As `nohup` sets it.
        signal.signal(signal.SIGHUP, _interrupt)
    # Into a file or a pipe nothing is wrapped that a wide terminal would show whole.
    console = Console() if sys.stdout.isatty() else Console(width=140)
    try:
        if arguments.command == "up":
            return up.run(_absolute(arguments.directory or ROOT / "var"), console)
        return demo.run(_absolute(arguments.directory or ROOT / "var" / "demo"), console)
    except StackError as error:
        Console(stderr=True, soft_wrap=True).print(f"Error: {error}", style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _absolute(directory: Path) -> Path:
    return directory.expanduser().resolve()


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once is enough: from here on everything is being stopped, and that takes a bounded time.
    for every in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(every, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
