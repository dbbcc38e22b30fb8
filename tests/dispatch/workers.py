"""Real Celery workers, in processes of their own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.waiting import wait_for
from webhooks_project.tether import tethered

SETTINGS = {
    "WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
    "WEBHOOKS_RETRY_SCHEDULE": "0.1,0.1",
    "WEBHOOKS_REQUEST_DEADLINE": "1",
    "WEBHOOKS_CLAIM_LEASE": "3",
    "WEBHOOKS_LANE_LEASE": "1",
    "WEBHOOKS_SWEEP_INTERVAL": "0.5",
    "WEBHOOKS_CONCURRENCY": "8",
}


class Worker:
    def __init__(self, process: "subprocess.Popen[bytes]", log: str) -> None:
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        return Path(self._log).read_text()

    def stop(self) -> None:
        """Stop as an operator does, and wait until it has."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def kill(self) -> None:
        """Kill the worker with all its processes, as a power cut would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)


@contextlib.contextmanager
def working(environment: Mapping[str, str], *options: str, **settings: str) -> Iterator[Worker]:
    """Run a worker for a block, ready to work, with `settings` over those of all tests."""
    # Whoever is killed leaves temporary files behind: they are in a directory of the worker's own.
    with (
        tempfile.TemporaryDirectory(prefix="webhooks-tests-", ignore_cleanup_errors=True) as directory,
        tempfile.NamedTemporaryFile(dir=directory) as log,
    ):
        command = [sys.executable, "-m", "celery", "-A", "webhooks_project", "worker", "-Q", "deliveries,housekeeping"]
        flags = ["-c", "1", "--without-gossip", "--without-mingle", "--without-heartbeat", *options]
        process = subprocess.Popen(
            tethered([*command, *flags]),
            env={**environment, "TMPDIR": directory, **SETTINGS, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        worker = Worker(process, log.name)
        try:
            wait_for(lambda: " ready." in worker.log or process.poll() is not None)
            assert process.poll() is None, worker.log
            yield worker
        finally:
            print(worker.log)  # noqa: T201 - pytest shows it where a test has failed
            if process.poll() is None:
                worker.kill()
