"""Starting `bench.publisher`, the process that publishes, and waiting for it."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import BenchError
from webhooks_project.stack.processes import Processes, Turn, tail
from webhooks_project.stack.services import ROOT

PRODUCT = "dispatch.publish:publish_event"
_POLL_SECONDS = 0.1
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Published:
    """How many events were published, when the first and the last (Unix time), and the CPU seconds it took."""

    events: int
    first_at: float
    last_at: float
    cpu: float


def publish(
    logs: Path,
    groups: range,
    *,
    count: int,
    seconds: float,
    per_second: float = float("inf"),
    jitter: float = 0.0,
    in_transactions_of: int = 1,
    by: str = PRODUCT,
    meanwhile: Callable[[], None] = lambda: None,
) -> Published:
    """Publish `count` events, but not for longer than `seconds`, to `groups` in turn, and call `meanwhile` often.

    A part `jitter` of the time between two events is random. Raises `BenchError` if that fails.
    """
    command = [
        *(sys.executable, "-m", "bench.publisher", "--publish", by, "--count", str(count), "--seconds", str(seconds)),
        *("--per-second", str(per_second), "--jitter", str(jitter), "--in-transactions-of", str(in_transactions_of)),
        *("--groups", str(groups.start), str(groups.stop)),
    ]
    with Processes(logs) as processes:
        publisher = processes.start("publisher", command, Turn.SOURCE, cwd=ROOT)
        deadline = time.monotonic() + seconds + _START_SECONDS
        while publisher.process.poll() is None and time.monotonic() < deadline:
            meanwhile()
            time.sleep(_POLL_SECONDS)
        if publisher.process.poll() != 0:
            raise BenchError(f"The publisher failed or took too long. It said:\n{tail(publisher.log)}")
        return Published(**json.loads(publisher.log.read_text().splitlines()[-1]))
