"""Two receivers on this machine, for the demo: `manage.py receive`."""

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webhooks_project.stack import StackError
from webhooks_project.stack.processes import Processes, Turn, tail
from webhooks_project.stack.services import ROOT

_START_SECONDS = 20
_POLL_SECONDS = 0.05
_LISTENING = re.compile(r"^Listening on (http://\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A receiver as it is to be started. It answers 503 to the first `failures` requests."""

    name: str
    scheme: str
    secret: str
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Listening:
    """A receiver that runs, where it is reached, and the file that tells what it received."""

    receiver: Receiver
    url: str
    log: Path

    def received(self) -> Sequence[Mapping[str, Any]]:
        """Return what came so far, one mapping per request."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


def start(receivers: Sequence[Receiver], processes: Processes, directory: Path) -> list[Listening]:
    """Start the receivers on free ports and wait until they listen."""
    children = [(receiver, _start_one(receiver, processes, directory)) for receiver in receivers]
    return [
        Listening(receiver, _await_url(child_log, processes), _requests_log(receiver, directory))
        for receiver, child_log in children
    ]


def _start_one(receiver: Receiver, processes: Processes, directory: Path) -> Path:
    command = [sys.executable, "manage.py", "receive", "--port", "0", "--scheme", receiver.scheme]
    command += ["--fail-first", str(receiver.failures), "--log", str(_requests_log(receiver, directory))]
    # In the environment, because everybody on the machine can read command lines.
    variables = {"RECEIVER_SECRET": receiver.secret}
    return processes.start(receiver.name, command, Turn.RECEIVER, cwd=ROOT, variables=variables).log


def _requests_log(receiver: Receiver, directory: Path) -> Path:
    return directory / f"{receiver.name}.jsonl"


def _await_url(log: Path, processes: Processes) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        processes.check()
        if found := _LISTENING.search(log.read_text()):
            return found[1]
        time.sleep(_POLL_SECONDS)
    raise StackError(f"A receiver did not start within {_START_SECONDS} s. It said:\n{tail(log)}")
