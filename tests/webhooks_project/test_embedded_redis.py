"""The embedded Redis server: real servers, real kills."""

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import redis

from tests.waiting import wait_for
from tests.webhooks_project.process_tree import is_running
from webhooks_project import embedded_redis

WHEEL = embedded_redis.find_server()
ON_PATH = shutil.which("redis-server") or shutil.which("valkey-server")

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(WHEEL, id="wheel"),
        pytest.param(
            ON_PATH and Path(ON_PATH), id="path", marks=pytest.mark.skipif(not ON_PATH, reason="no server on PATH")
        ),
    ],
)
def test_data_survives_a_restart_in_a_directory_with_spaces(program: Path, tmp_path: Path) -> None:
    directory = tmp_path / "a directory" / "with spaces"
    with embedded_redis.start(directory, program=program) as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("port") == {"port": "0"}
    with embedded_redis.start(directory, program=program) as server, redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"yes"


def test_nobody_else_can_reach_the_socket_or_read_the_data(tmp_path: Path) -> None:
    directory = tmp_path / "redis"
    with embedded_redis.start(directory) as server:
        socket = Path(server.url.removeprefix("unix://"))
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert len(str(socket)) < 100
    assert not socket.parent.exists()


def test_a_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    with embedded_redis.start(tmp_path) as server:
        with pytest.raises(embedded_redis.AlreadyRunning, match="Stop that one first, or set REDIS_URL"):
            embedded_redis.start(tmp_path)
        assert server.is_running()


def test_stop_can_be_called_twice(tmp_path: Path) -> None:
    server = embedded_redis.start(tmp_path)
    server.stop()
    server.stop()
    assert not server.is_running()


def test_a_killed_server_leaves_no_socket_after_the_next_start(tmp_path: Path) -> None:
    killed = embedded_redis.start(tmp_path)
    os.kill(killed.pid, signal.SIGKILL)
    wait_for(lambda: not killed.is_running())
    with embedded_redis.start(tmp_path):
        assert not Path(killed.url.removeprefix("unix://")).parent.exists()


@linux_only
def test_the_server_ends_with_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert parent.stdout is not None
    with parent.stdout:
        server = int(parent.stdout.readline())
        assert is_running(server)
        parent.kill()
        parent.wait()
    wait_for(lambda: not is_running(server))
    with embedded_redis.start(tmp_path) as next_server:
        assert next_server.is_running()


_PARENT = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from webhooks_project import embedded_redis

    print(embedded_redis.start(Path(sys.argv[1])).pid, flush=True)
    time.sleep(60)
""")


def test_a_server_on_path_is_found_where_there_is_no_wheel(
    without_wheel: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    on_path = _program(tmp_path / "redis-server", "exit 0")
    assert embedded_redis.find_server() == on_path


def test_without_any_server_the_error_says_what_to_do(
    without_wheel: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(embedded_redis.ServerNotFound, match="put valkey-server or redis-server on PATH, or set REDIS"):
        embedded_redis.find_server()


def test_a_server_that_ends_at_its_start_is_quoted(tmp_path: Path) -> None:
    program = _program(tmp_path / "broken", "echo 'no memory for this' >&2; exit 1")
    with pytest.raises(embedded_redis.StartFailed, match=r"(?s)ended at its start.*no memory for this"):
        embedded_redis.start(tmp_path / "redis", program=program)


def test_a_server_that_does_not_answer_is_given_up_and_stopped(tmp_path: Path) -> None:
    program = _program(tmp_path / "silent", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    with pytest.raises(embedded_redis.StartFailed, match=r"did not answer within 0\.5 s"):
        embedded_redis.start(tmp_path / "redis", program=program, timeout=0.5)
    assert not is_running(int((tmp_path / "pid").read_text()))
