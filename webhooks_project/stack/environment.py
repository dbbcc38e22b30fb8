"""Where a stack keeps its files, the port it answers on, and the settings that its processes inherit."""

import base64
import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import dj_database_url
import redis

from webhooks_project import embedded_redis
from webhooks_project.stack import StackError

HOST = "127.0.0.1"
LOCK = "stack.lock"
ENCRYPTION_KEYS = "encryption_keys"
_TOLD = ("SECRET_KEY", "WEBHOOKS_ENCRYPTION_KEYS", "DATABASE_URL", "REDIS_URL", "WEBHOOKS_ALLOWED_NETWORKS")
_LOOPBACK = "127.0.0.0/8,::1/128"


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Keep `directory`, which is created if need be, to this process. Raises `StackError` if another has it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (directory / LOCK).open("ab")
    except OSError as error:
        raise StackError(f"{directory} cannot be written: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"Another stack already runs on {directory}. Stop that one first.") from None
        yield


@contextlib.contextmanager
def reserved_port(default_port: int) -> Iterator[int]:
    """Keep the port that PORT names, else `default_port`, where 0 is a free one, for the web server to share.

    Raises `StackError` if somebody else has it.
    """
    text = os.environ.get("PORT") or str(default_port)
    if not (text.isdecimal() and int(text) <= 65535):
        raise StackError(f"PORT={text!r} is not a port. Set it to a number from 1 to 65535, such as PORT=8080.")
    with socket.socket() as tried, socket.socket() as reserved:
        # As the web server itself would: connections that have ended don't keep the port.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, int(text)))
            port = int(tried.getsockname()[1])
            tried.close()
            # The web server shares its port with whoever is ready to share it too. One that only has it, and does
            # not listen, gets no connections.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind((HOST, port))
        except OSError as error:
            raise StackError(
                f"Port {text} cannot be used: {error.strerror}. Choose another, such as PORT={_another(int(text))}."
            ) from None
        yield port


def _another(port: int) -> int:
    return port + 1 if 1024 <= port < 65535 else 8080


@contextlib.contextmanager
def redis_running(directory: Path) -> Iterator[None]:
    """Make sure of a Redis: the one that REDIS_URL names, or one of our own, which REDIS_URL names from then on."""
    if url := os.environ.get("REDIS_URL"):
        _check_redis(url)
        yield
        return
    try:
        server = embedded_redis.start(directory)
    except embedded_redis.EmbeddedRedisError as error:
        raise StackError(str(error)) from None
    with server:
        os.environ["REDIS_URL"] = server.url
        yield


def _check_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StackError(
            f"The Redis that REDIS_URL names ({without_password(url)}) cannot be used: {error}\n"
            "Start it, correct REDIS_URL, or unset it to use an embedded server."
        ) from None


def set_variables(directory: Path) -> None:
    """Set what Django and the processes read from the environment, except where it is set already.

    Raises `StackError` if DATABASE_URL cannot be read.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
    if not os.environ.get("SECRET_KEY"):
        os.environ["SECRET_KEY"] = _kept(directory / "secret_key", secrets.token_urlsafe(50))
    if not os.environ.get("WEBHOOKS_ENCRYPTION_KEYS"):
        new = base64.b64encode(secrets.token_bytes(32)).decode()
        os.environ["WEBHOOKS_ENCRYPTION_KEYS"] = _kept(directory / ENCRYPTION_KEYS, new)
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = f"sqlite:///{quote(str(directory / 'webhooks.sqlite3'))}"
    try:
        dj_database_url.parse(os.environ["DATABASE_URL"])
    except ValueError as error:
        raise StackError(
            f"DATABASE_URL cannot be read: {error}\n"
            "Write it like postgres://user:password@host:5432/name, or unset it to use SQLite."
        ) from None
    # Only here, on the machine of somebody who tries the product out, may deliveries go to the machine itself.
    os.environ.setdefault("WEBHOOKS_ALLOWED_NETWORKS", _LOOPBACK)


def tell_commands(file: Path) -> None:
    """Write down for `manage.py` which servers and keys this stack runs with."""
    write_private(file, "".join(f"{name}={os.environ[name]}\n" for name in _TOLD if name in os.environ))


def _kept(file: Path, new: str) -> str:
    """Return what `file` holds, which is `new` if there is none yet."""
    if not file.exists():
        write_private(file, new)
    return file.read_text().strip()


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:  # noqa: PTH123
        output.write(text)
    new.replace(file)


def without_password(url: str) -> str:
    """Return `url` fit to be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
