"""Child processes: started with a log each, watched, and stopped in order."""

import contextlib
import enum
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from webhooks_project.stack import StackError
from webhooks_project.tether import tethered

_TAIL_LINES = 20


class Turn(enum.IntEnum):
    """When a process is stopped: what brings work goes first, what others need goes last."""

    SOURCE = 1
    WORKER = 2
    RECEIVER = 3

    @property
    def patience(self) -> float:
        """Seconds from SIGTERM to SIGKILL. A worker finishes the requests that are under way."""
        return 25 if self is Turn.WORKER else 5


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    turn: Turn
    log: Path
    process: subprocess.Popen[bytes]


class ProcessEnded(StackError):
    """A process that should run has ended."""

    def __init__(self, child: Child) -> None:
        code = child.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        super().__init__(f"The process '{child.name}' {how}. Its last lines, of {child.log}:\n{tail(child.log)}")


class Processes:
    """The children of this process. As a context manager they are stopped at the end."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def start(
        self,
        name: str,
        command: Sequence[str],
        turn: Turn,
        *,
        cwd: Path,
        variables: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> Child:
        """Start a process that gets `death_signal` when this one dies. `variables` are set in its environment."""
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - every part is ours
                tethered(command, death_signal),
                cwd=cwd,
                env={**os.environ, **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                # Ctrl-C in the terminal is for this process alone, which then stops the others in order.
                start_new_session=True,
            )
        child = Child(name, turn, log, process)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raise `ProcessEnded` if one of the processes has ended."""
        for child in self._children:
            if child.process.poll() is not None:
                raise ProcessEnded(child)

    def stop(self) -> None:
        """Stop all processes, in the order of their turns, with SIGTERM and then with SIGKILL."""
        for turn in Turn:
            children = [child for child in self._children if child.turn is turn]
            for child in children:
                child.process.terminate()
            deadline = time.monotonic() + turn.patience
            for child in children:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0, deadline - time.monotonic()))
                # It leads a group of its own: this ends whatever it started and left behind, too.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
        self._children.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]) or "(nothing)"
