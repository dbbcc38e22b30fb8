"""The README, followed by somebody who has never seen it: its commands run in a copy of the project."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.waiting import wait_for
from webhooks_project.tether import tethered

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "*_cache", "__pycache__", "node_modules")
NOT_INHERITED = {
    "SECRET_KEY",
    "WEBHOOKS_ENCRYPTION_KEYS",
    "REDIS_URL",
    "DATABASE_URL",
    "DJANGO_SETTINGS_MODULE",
    "TESTS_EMBEDDED_REDIS",
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Newcomer:
    """Somebody with the project's files, three terminals, and a page to follow."""

    def __init__(self, directory: Path, page: str) -> None:
        self.directory = directory
        self.port, self.receiver_port = free_port(), free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_INHERITED},
            "PORT": str(self.port),
        }
        text = (ROOT / page).read_text()
        text = text.replace("localhost:8000", f"localhost:{self.port}")
        text = text.replace("localhost:9000", f"localhost:{self.receiver_port}")
        text = text.replace("--port 9000", f"--port {self.receiver_port}")
        self.blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)

    def open_terminal(self, block: str, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("wb") as output:
            return subprocess.Popen(
                tethered(["bash", "-ec", block], signal.SIGTERM),
                cwd=self.directory,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, block: str) -> str:
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/v1/health/ready", timeout=5).ok
    except requests.RequestException:
        return False


def newcomer_with(page: str, directory: Path) -> Newcomer:
    """Give somebody a copy of the project and one of its pages."""
    shutil.copytree(ROOT, directory, ignore=LEFT_OUT)
    (directory / ".venv").symlink_to(Path(sys.prefix))
    return Newcomer(directory, page)


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return newcomer_with("README.md", tmp_path / "project")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README uses curl, which is not installed")
def test_the_commands_of_the_readme_work_in_their_order(newcomer: Newcomer, tmp_path: Path) -> None:
    demo, up, subscribe, receive, send = newcomer.blocks
    assert (demo, up) == ("make demo\n", "make up\n")
    stack = newcomer.open_terminal(up, tmp_path / "up.log")
    receiver = None
    try:
        wait_for(lambda: is_ready(f"http://localhost:{newcomer.port}") or stack.poll() is not None, 60)
        assert stack.poll() is None, (tmp_path / "up.log").read_text()

        newcomer.run(subscribe)
        receiver = newcomer.open_terminal(receive, tmp_path / "receive.log")
        wait_for(lambda: "Listening on" in (tmp_path / "receive.log").read_text())
        told = newcomer.run(subscribe.splitlines()[0].replace("my-platform", "again") + "\n" + send)

        assert '"type":"invoice.paid"' in told
        wait_for(lambda: (tmp_path / "receive.log").read_text().count(" 200 ") == 2)
    finally:
        for process in filter(None, [receiver, stack]):
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
