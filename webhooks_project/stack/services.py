"""The dispatcher's own processes: web server, workers and beat, on a database and a Redis."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from webhooks_project.stack import StackError, environment
from webhooks_project.stack.installation import Credentials, install
from webhooks_project.stack.processes import Processes, Turn

ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 60
_POLL_SECONDS = 0.1
_WEB_THREADS = 8


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack."""

    directory: Path
    credentials: Credentials
    processes: Processes


@contextlib.contextmanager
def running(directory: Path, *, default_port: int) -> Iterator[Stack]:
    """Run the stack with its files in `directory`. Raises `StackError` if it cannot be run."""
    with (
        environment.claimed(directory),
        environment.reserved_port(default_port) as port,
        environment.redis_running(directory / "redis"),
    ):
        base_url = f"http://{environment.HOST}:{port}"
        environment.set_variables(directory)
        environment.tell_commands(directory / "environment")
        credentials = install(base_url, directory / "credentials.json")
        with Processes(directory / "log") as processes:
            _start(processes, directory, port)
            _await_ready(base_url, processes)
            yield Stack(directory, credentials, processes)


def _start(processes: Processes, directory: Path, port: int) -> None:
    cores = str(os.cpu_count() or 1)
    for queue, concurrency in (("deliveries", cores), ("housekeeping", "1")):
        processes.start(
            queue,
            [
                *(*_celery("worker"), "-Q", queue, "-n", f"{queue}@%h", "-P", "prefork", "-c", concurrency),
                *("--without-gossip", "--without-mingle"),
            ],
            Turn.WORKER,
            cwd=ROOT,
        )
    schedule = directory / "beat"
    schedule.mkdir(mode=0o700, exist_ok=True)
    processes.start("beat", [*_celery("beat"), "-s", str(schedule / "schedule")], Turn.SOURCE, cwd=ROOT)
    processes.start(
        "web",
        web_server(environment.HOST, port, workers=int(cores)),
        Turn.SOURCE,
        cwd=ROOT,
        # Killed, it would leave its workers behind.
        death_signal=signal.SIGTERM,
    )


def web_server(host: str, port: int, *, workers: int) -> list[str]:
    """Return the command that serves the API and the admin, with so many processes."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "webhooks_project.wsgi:application"),
        *("--host", host, "--port", str(port), "--http", "1", "--no-ws"),
        *("--workers", str(workers), "--blocking-threads", str(_WEB_THREADS), "--workers-kill-timeout", "3"),
    ]


def _celery(command: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "webhooks_project", command]


def _await_ready(base_url: str, processes: Processes) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    answer = "no answer"
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < deadline:
            processes.check()
            with contextlib.suppress(requests.RequestException):
                response = session.get(f"{base_url}/api/v1/health/ready", timeout=5)
                if response.status_code == requests.codes.ok:
                    return
                answer = f"{response.status_code} {response.text[:500]}"
            time.sleep(_POLL_SECONDS)
    raise StackError(f"The stack was not ready within {_READY_SECONDS} s. GET /api/v1/health/ready says: {answer}")
