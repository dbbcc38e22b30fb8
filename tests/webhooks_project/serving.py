"""A web server as in production, for tests that call it from outside."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import requests

from tests.waiting import wait_for
from webhooks_project.stack.services import web_server

ROOT = Path(__file__).resolve().parents[2]
_HOST = "127.0.0.1"


@contextlib.contextmanager
def web_serving(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run the web server with one process, and yield its address."""
    with socket.create_server((_HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            web_server(_HOST, port, workers=1), cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    url = f"http://{_HOST}:{port}"
    try:
        wait_for(lambda: process.poll() is not None or _is_live(url), 60)
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _is_live(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/v1/health/live", timeout=5).ok
    except requests.RequestException:
        return False
