"""What a scenario works with: new installations, one after the other, each with receivers and then workers."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import redis
from django.conf import settings
from django.db import connection, connections
from rich.console import Console

from bench import accounting, databases
from bench import sink as sinks
from bench.certificates import Certificates
from bench.sink import Sink
from bench.size import Size
from webhooks_project.stack.processes import Processes

HOSTS = 200


class Lab:
    """Makes installations. `directory` is for their files."""

    def __init__(self, directory: Path, size: Size, console: Console) -> None:
        self.directory = directory
        self.size = size
        self._console = console
        self._status = console.status("")

    def say(self, text: str) -> None:
        """Tell whoever watches what happens now, on a line of its own."""
        self._status.stop()
        self._console.print(f"  {text}", style="dim", highlight=False)

    def show(self, text: str) -> None:
        """Show on a terminal how far it is."""
        self._status.update(f"  {text}")
        self._status.start()

    @contextlib.contextmanager
    def installation(self, *, hosts: int = HOSTS, certificates: Certificates | None = None) -> Iterator["Installation"]:
        """Give the block an empty database, an empty Redis and a sink with `hosts` addresses."""
        connections.close_all()
        databases.renew(os.environ)
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            client.flushdb()
        with Processes(self.directory / "log") as processes:
            sink = sinks.start(processes, self.directory, count=hosts, certificates=certificates)
            try:
                yield Installation(self, processes, sink)
            finally:
                self._status.stop()
                connections.close_all()


@dataclass(frozen=True, slots=True)
class Installation:
    """A product that was just installed, and the receivers that it is to send to."""

    lab: Lab
    processes: Processes
    sink: Sink

    def url(self, path: str) -> str:
        """Return, as SQL, the URL of endpoint `n`: on one host after the other, below `path`, which is SQL too."""
        hosts = len(self.sink.hosts)
        # 127.0.1.1, 127.0.1.2 … 127.0.2.0, as `bench.sink.hosts` has it.
        host = f"'127.0.' || (1 + (n % {hosts} + 1) / 256) || '.' || ((n % {hosts} + 1) % 256)"
        return f"'{self.sink.scheme}://' || {host} || ':{self.sink.port}/' || {path} || '/' || n"


def surroundings(variables: Mapping[str, str] = MappingProxyType({})) -> Mapping[str, Any]:
    """Say, as figures of a row, what the product runs on, and what is set for it, by `variables` and by the caller."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith("WEBHOOKS_")}
    inherited.pop("WEBHOOKS_ALLOWED_NETWORKS")
    set_differently = {"settings": {**inherited, **variables}} if inherited or variables else {}
    transport = getattr(settings.WEBHOOKS, "transport", "requests")
    return {"transport": transport, "database": _database_version(), **set_differently}


def server_pids() -> Mapping[str, list[int]]:
    """Find the processes of the database server and of Redis, as far as they run on this machine."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        redis_pid = accounting.named(client.info("server")["process_id"], "redis-server", "valkey-server")
    database_pid = None
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            # The process that serves this connection is a child of the one that is the parent of all.
            database_pid = accounting.parent_named(cursor.fetchone()[0], "postgres", "postmaster")
    return {"db": [database_pid] if database_pid else [], "redis": [redis_pid] if redis_pid else []}


def _database_version() -> str:
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        return "postgresql {}.{}".format(*divmod(connection.pg_version, 10_000))
    return f"sqlite {connection.Database.sqlite_version}"
