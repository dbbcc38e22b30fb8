"""Celery workers: started, watched and stopped."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from bench import BenchError, accounting, lab
from bench.accounting import Accounting
from bench.lab import Installation
from webhooks_project import celery_app
from webhooks_project.stack.processes import Child, Processes, Turn, tail
from webhooks_project.stack.services import ROOT

_READY = b" ready."
_READY_SECONDS = 60
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers that are ready to work. The first of `children` is the one for deliveries."""

    installation: Installation
    children: Sequence[Child]
    processes: Processes

    def accounting(self, **others: int) -> Accounting:
        """Watch the workers, the servers, the sink, and `others` by their names and pids."""
        watched = {name: [pid] for name, pid in (others | {"sink": self.installation.sink.pid}).items()}
        return Accounting({"worker": [child.process.pid for child in self.children], **lab.server_pids(), **watched})

    def pids(self) -> Sequence[int]:
        """List the processes of the worker for deliveries."""
        return accounting.tree(self.children[0].process.pid)

    def peak_mb(self) -> float:
        """Return the most that one process of the workers ever had in memory, in MB."""
        return max(
            accounting.peak_resident_mb(pid) for child in self.children for pid in accounting.tree(child.process.pid)
        )

    def check(self) -> None:
        """Raise `ProcessEnded` if a worker or the sink has ended."""
        self.processes.check()
        self.installation.processes.check()


@contextlib.contextmanager
def of_product(installation: Installation, **variables: str) -> Iterator[Workers]:
    """Run the product's workers: one process for each core for deliveries, and one for housekeeping.

    `variables` are set in their environment.
    """
    queues = {"deliveries": os.cpu_count() or 1, "housekeeping": 1}
    with _running(installation, "webhooks_project", queues, variables) as workers:
        yield workers


@contextlib.contextmanager
def of_naive(installation: Installation, *, processes: int) -> Iterator[Workers]:
    """Run the worker of `bench.naive`."""
    with _running(installation, "bench.naive", {"naive": processes}, {}) as workers:
        yield workers


def call_sweep() -> None:
    """Have the product look at its database: it finds there what was not published but written."""
    celery_app.send_task(settings.CELERY_BEAT_SCHEDULE["sweep"]["task"])


@contextlib.contextmanager
def _running(
    installation: Installation, application: str, queues: Mapping[str, int], variables: Mapping[str, str]
) -> Iterator[Workers]:
    with Processes(installation.lab.directory / "log") as processes:
        children = [
            processes.start(
                queue,
                [
                    *(sys.executable, "-m", "celery", "-A", application, "worker", "-Q", queue, "-n", f"{queue}@%h"),
                    *("-P", "prefork", "-c", str(concurrency), "--without-gossip", "--without-mingle"),
                ],
                Turn.WORKER,
                cwd=ROOT,
                variables=variables,
            )
            for queue, concurrency in queues.items()
        ]
        workers = Workers(installation, children, processes)
        _await_ready(workers)
        yield workers


def _await_ready(workers: Workers) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    for child in workers.children:
        while _READY not in child.log.read_bytes():
            workers.check()
            if time.monotonic() > deadline:
                raise BenchError(f"The worker {child.name} was not ready in time. It said:\n{tail(child.log)}")
            time.sleep(_POLL_SECONDS)
