"""The database server and the Redis of a run: those that DATABASE_URL and REDIS_URL name, or our own."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import redis

from bench import BenchError
from webhooks_project import embedded_redis
from webhooks_project.stack.environment import without_password
from webhooks_project.stack.processes import tail
from webhooks_project.tether import tethered

_POSTGRESQL_START_SECONDS = 60
_STOP_SECONDS = 30
_USER = "webhooks"


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Give the block the URL of a PostgreSQL server: that of DATABASE_URL, or a new one in a temporary directory.

    The new one is as `initdb` leaves it, and also writes down when transactions committed.
    Raises `BenchError` where there is none.
    """
    if url := os.environ.get("DATABASE_URL"):
        _check_postgresql(url)
        yield url
        return
    programs = _postgresql_programs()
    with tempfile.TemporaryDirectory(prefix="webhooks-bench-postgresql-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        as_owner = _owner_of_database(home)
        password = secrets.token_hex(16)
        (home / "password").write_text(password)
        (home / "password").chmod(0o644)
        initialised = subprocess.run(
            [
                *(*as_owner, str(programs / "initdb"), "--pgdata=data", f"--username={_USER}", "--pwfile=password"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"),
            ],
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        if initialised.returncode != 0:
            raise BenchError(f"initdb failed: {initialised.stderr.strip() or initialised.stdout.strip()}")
        port = _free_port()
        command = [
            *(*as_owner, str(programs / "postgres"), "-D", str(home / "data"), "-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "track_commit_timestamp=on"),
        ]
        url = f"postgres://{_USER}:{password}@127.0.0.1:{port}/postgres"
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(
                # Without waiting for its clients, and without writing what is thrown away.
                tethered(command, signal.SIGQUIT),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _await_postgresql(url, server, home / "log")
            yield url
        finally:
            _stop(server)


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Give the block the URL of an empty Redis: that of REDIS_URL, or a new one in a temporary directory.

    Raises `BenchError` where there is none, or where it holds anything, which the bench would delete.
    """
    if url := os.environ.get("REDIS_URL"):
        _check_redis(url)
        try:
            yield url
        finally:
            with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
                client.flushdb()
        return
    with tempfile.TemporaryDirectory(prefix="webhooks-bench-redis-", ignore_cleanup_errors=True) as directory:
        try:
            server = embedded_redis.start(Path(directory) / "redis")
        except embedded_redis.EmbeddedRedisError as error:
            raise BenchError(str(error)) from None
        with server:
            yield server.url


def _postgresql_programs() -> Path:
    """Find the directory of `postgres` and `initdb`: on PATH, or the newest of Debian's."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if programs := sorted(installed, key=lambda program: float(program.parts[-3])):
        return programs[-1].parent
    raise BenchError(
        "PostgreSQL was not found: neither initdb on PATH nor /usr/lib/postgresql/*/bin. "
        "Install the package postgresql, or set DATABASE_URL to a server that runs already."
    )


def _owner_of_database(home: Path) -> list[str]:
    """Make `home` fit for PostgreSQL's data. Return how a command is run as the owner of it."""
    if os.geteuid() != 0:
        return []
    # PostgreSQL refuses to run as root.
    setpriv = shutil.which("setpriv")
    try:
        shutil.chown(home, "postgres", "postgres")
    except LookupError:
        setpriv = None
    if setpriv is None:
        raise BenchError(
            "PostgreSQL does not run as root, and setpriv or the user postgres, who could run it, is missing. "
            "Run the bench as another user, or set DATABASE_URL to a server that runs already."
        )
    return [setpriv, "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=keep"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await_postgresql(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _POSTGRESQL_START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"PostgreSQL did not start. It said:\n{tail(log)}") from None
            time.sleep(0.1)
        else:
            return


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGINT)  # For PostgreSQL: without waiting for its clients.
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _check_postgresql(url: str) -> None:
    if not url.startswith(("postgres://", "postgresql://")):
        raise BenchError("DATABASE_URL must name a PostgreSQL server. Unset it to have one started.")
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        raise BenchError(f"The database {without_password(url)} cannot be used: {error}") from None


def _check_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            keys = client.dbsize()
    except (redis.RedisError, ValueError) as error:
        raise BenchError(f"The Redis {without_password(url)} cannot be used: {error}") from None
    if keys:
        raise BenchError(
            f"The Redis database {without_password(url)} holds {keys} keys, and the bench would delete them. "
            "Name an empty one in REDIS_URL, such as number 15, or unset it to have one started."
        )
