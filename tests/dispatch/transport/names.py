"""What names mean, without asking a name server."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.dispatch.sending import (
    LONG,
)


def resolving(monkeypatch: pytest.MonkeyPatch, hosts: Mapping[str, list[str]]) -> None:
    """Make names mean addresses. What else is looked up goes its normal way."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        if host not in hosts:
            return look_up(host, port, *args, **options)
        return [info for address in hosts[host] for info in look_up(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


class Hanging(list[str]):
    """The names that are being looked up, until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()


@contextlib.contextmanager
def hanging_names(monkeypatch: pytest.MonkeyPatch, names: set[str]) -> Iterator[Hanging]:
    """Let the look-up of `names` hang until the end of the block."""
    look_up = socket.getaddrinfo
    hanging = Hanging()

    def getaddrinfo(host: str, *args: Any, **options: Any) -> list[Any]:
        if host in names:
            hanging.append(host)
            hanging.release.wait(LONG)
            raise socket.gaierror(socket.EAI_NONAME, "it does not exist")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        yield hanging
    finally:
        hanging.release.set()
