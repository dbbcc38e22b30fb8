"""`python -m webhooks_project.stack`, as `make up` and `make demo` call it, in processes of its own."""

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from django.conf import settings

from tests.waiting import wait_for
from tests.webhooks_project.process_tree import descendants, running

NOT_INHERITED = {
    "DATABASE_URL",
    "REDIS_URL",
    "DJANGO_SETTINGS_MODULE",
    "SECRET_KEY",
    "WEBHOOKS_ENCRYPTION_KEYS",
    "PORT",
}


def _environment(**variables: str) -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if name not in NOT_INHERITED} | variables


def _command(command: str, directory: Path) -> list[str]:
    return [sys.executable, "-m", "webhooks_project.stack", command, "--directory", str(directory)]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _up(directory: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run `up` for a block. Give the process and its base URL when it has said that it is up."""
    port = str(_free_port())
    with subprocess.Popen(
        _command("up", directory),
        cwd=settings.BASE_DIR,
        env=_environment(PORT=port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _refusal(command: str, directory: Path, **variables: str) -> str:
    """Run the stack, which must end by itself at once. Return what it says, and all that it says."""
    ended = subprocess.run(
        _command(command, directory),
        cwd=settings.BASE_DIR,
        env=_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout + ended.stderr
    return ended.stderr


def _get(url: str, api_key: str = "") -> int:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return requests.get(url, headers=headers, timeout=10).status_code


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only Linux ends the children of a killed parent")
def test_up_serves_keeps_its_data_and_leaves_nothing_behind(tmp_path: Path) -> None:
    directory = tmp_path / "var with spaces"
    with _up(directory) as (process, base_url):
        credentials = json.loads((directory / "credentials.json").read_text())
        for private in ("credentials.json", "encryption_keys", "environment"):
            assert stat.S_IMODE((directory / private).stat().st_mode) == 0o600
        key = (directory / "encryption_keys").read_text()
        assert len(base64.b64decode(key, validate=True)) == 32
        assert f"WEBHOOKS_ENCRYPTION_KEYS={key}\n" in (directory / "environment").read_text()
        assert credentials.keys() == {"base_url", "admin_username", "admin_password", "api_key"}
        assert credentials["base_url"] == base_url
        assert _get(f"{base_url}/api/v1/health/ready") == 200
        assert _get(f"{base_url}/api/v1/subscribers/", credentials["api_key"]) == 200
        assert _get(f"{base_url}/api/v1/subscribers/", "whk_wrong") == 401
        children = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
        assert running(children) == []
    with _up(directory) as (process, base_url):
        assert json.loads((directory / "credentials.json").read_text()) == {**credentials, "base_url": base_url}
        assert _get(f"{base_url}/api/v1/subscribers/", credentials["api_key"]) == 200
        assert (directory / "encryption_keys").read_text() == key
        assert "Stop that one first" in _refusal("up", directory)
        children = descendants(process.pid)
        process.kill()
        wait_for(lambda: not running(children), 10)


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = _refusal("up", tmp_path, PORT=str(port))
    assert (
        said == f"Error: Port {port} cannot be used: Address already in use. Choose another, such as PORT={port + 1}.\n"
    )


def test_a_port_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    assert _refusal("up", tmp_path, PORT="eighty").startswith("Error: PORT='eighty' is not a port.")


def test_an_unreachable_redis_is_a_clear_error_without_its_password(tmp_path: Path) -> None:
    said = _refusal("up", tmp_path, PORT="0", REDIS_URL=f"redis://:hush@127.0.0.1:{_free_port()}/0")
    assert "The Redis that REDIS_URL names (redis://127.0.0.1:" in said
    assert "correct REDIS_URL" in said
    assert "hush" not in said


def test_an_unreachable_database_is_a_clear_error_without_its_password(tmp_path: Path) -> None:
    said = _refusal("demo", tmp_path, DATABASE_URL=f"postgres://me:hush@127.0.0.1:{_free_port()}/webhooks")
    assert "The database postgres://127.0.0.1:" in said
    assert "correct DATABASE_URL" in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DATABASE_URL", "nonsense"),
        ("REDIS_URL", "nonsense"),
        ("WEBHOOKS_CONCURRENCY", "many"),
        ("WEBHOOKS_ENCRYPTION_KEYS", "short"),
    ],
)
def test_a_setting_that_cannot_be_read_is_a_clear_error(tmp_path: Path, variable: str, text: str) -> None:
    assert variable in _refusal("up", tmp_path, PORT="0", **{variable: text})
