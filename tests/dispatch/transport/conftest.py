"""Fixtures for tests of the transport."""

import socket
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _no_name_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        flags = 0 if host.lower() == "localhost" else socket.AI_NUMERICHOST
        return look_up(host, port, flags=flags, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
