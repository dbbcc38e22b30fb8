"""Starting a sink: a receiver in a process of its own that answers on many addresses of loopback."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from bench import BenchError
from bench.certificates import Certificates
from webhooks_project.stack.processes import Child, Processes, Turn

_HERE = Path(__file__).parent
_BACKLOG = 1024
_START_SECONDS = 15
_FIRST_HOST = IPv4Address("127.0.1.1")


class Counts(NamedTuple):
    """How many requests were answered, and how many connections were made for that."""

    answered: int
    accepted: int


class Sink:
    """A sink that runs. Each of its hosts is another receiver to those who connect."""

    def __init__(self, child: Child, hosts: Sequence[str], port: int, certificates: Certificates | None) -> None:
        self.hosts = hosts
        self.port = port
        self.scheme = "https" if certificates else "http"
        self.pid = child.process.pid
        self._connection = (
            HTTPSConnection(hosts[0], port, context=ssl.create_default_context(cafile=certificates.authority))
            if certificates
            else HTTPConnection(hosts[0], port)
        )

    def counts(self) -> Counts:
        """Return what the sink has counted since its start."""
        self._connection.request("GET", "/counts")
        return Counts(*map(int, self._connection.getresponse().read().split()))


def hosts(count: int) -> Sequence[str]:
    """List the addresses of a sink with `count` hosts."""
    return [str(_FIRST_HOST + number) for number in range(count)]


def start(processes: Processes, directory: Path, *, count: int, certificates: Certificates | None = None) -> Sink:
    """Start a sink with `count` hosts on one port, and wait until it answers. Raises `BenchError` if it does not."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in _listeners(hosts(count))]
        fds = [listener.fileno() for listener in listeners]
        command = [*_program(directory, certificates), *map(str, fds)]
        child = processes.start("sink", command, Turn.RECEIVER, cwd=_HERE, pass_fds=fds)
        sink = Sink(child, hosts(count), listeners[0].getsockname()[1], certificates)
    _await_answer(sink, processes)
    return sink


def _program(directory: Path, certificates: Certificates | None) -> list[str]:
    if certificates:
        return [sys.executable, str(_HERE / "asyncio_sink.py"), "--certificate", str(certificates.server)]
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    program = directory / "sink"
    if compiler and subprocess.run([compiler, "-O2", "-o", program, _HERE / "sink.c"], check=False).returncode == 0:
        return [str(program)]
    return [sys.executable, str(_HERE / "asyncio_sink.py")]


def _listeners(addresses: Sequence[str]) -> list[socket.socket]:
    """Listen on all addresses, with the port that was free on the first."""
    listeners: list[socket.socket] = []
    for address in addresses:
        port = listeners[0].getsockname()[1] if listeners else 0
        listeners.append(socket.create_server((address, port), backlog=_BACKLOG))
    return listeners


def _await_answer(sink: Sink, processes: Processes) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        processes.check()
        try:
            sink.counts()
        except (OSError, HTTPException) as error:
            if time.monotonic() > deadline:
                raise BenchError(f"The sink did not answer within {_START_SECONDS} s: {error!r}") from None
            time.sleep(0.05)
        else:
            return
