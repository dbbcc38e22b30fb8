"""A canary: all connections of the process, wherever they should go, end at one listener of loopback.

So what a guard lets through is seen by somebody else, and nothing beyond this machine is ever contacted.
"""

import contextlib
import http.client
import socket
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.dispatch.raw_receivers import Conversation, receiving_raw

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


class Canary:
    """Answers every request with `answer`. `asked_for` is where the connections should have gone."""

    def __init__(self) -> None:
        self.answer = OK
        self.asked_for: list[tuple[str, int]] = []
        self.looked_up: list[tuple[str, int]] = []
        self.requests: list[bytes] = []
        # A name's addresses; of several lists, one for each look-up, the last for all others.
        self.names: dict[str, Sequence[Sequence[str]]] = {}
        self.port = 0
        self._connections = 0
        self._probes = 0

    @property
    def connections(self) -> int:
        """How many there have been, up to now."""
        # Connections are accepted in turn: once this one is answered, all before it are counted.
        self._probes += 1
        probe = http.client.HTTPConnection("127.0.0.1", self.port)
        probe.sock = socket.socket()
        _connect(probe.sock, ("127.0.0.1", self.port))
        with contextlib.closing(probe):
            probe.request("GET", "/probe")
            assert probe.getresponse().status
        return self._connections - self._probes

    def knows(self, name: str, *answers: Sequence[str]) -> None:
        """Let `name` have these addresses, those of one look-up after the other."""
        self.names[name] = answers

    def behave(self, conversation: Conversation) -> None:
        self._connections += 1
        request = conversation.read_request()
        if not request.startswith(b"GET /probe "):
            self.requests.append(request)
        conversation.send(self.answer)

    def look_up(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        """Stand for `getaddrinfo`: names are those that the canary knows, all else must be an address."""
        self.looked_up.append((host, port))
        if host.lower() not in self.names:
            return _getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        answers = self.names[host.lower()]
        count = sum(name.lower() == host.lower() for name, _ in self.looked_up)
        found = answers[min(count, len(answers)) - 1]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]


_connect = socket.socket.connect
_getpeername = socket.socket.getpeername
_getaddrinfo = socket.getaddrinfo


@contextlib.contextmanager
def canary_everywhere(
    monkeypatch: pytest.MonkeyPatch, names: Mapping[str, Sequence[str]], *, hidden: bool = True
) -> Iterator[Canary]:
    """Lead every connection of a block to a canary. Unless it is `hidden`, sockets say who their peer really is."""
    canary = Canary()
    for name, addresses in names.items():
        canary.knows(name, addresses)
    peers: weakref.WeakKeyDictionary[socket.socket, Any] = weakref.WeakKeyDictionary()

    def connect(connecting: socket.socket, address: Any) -> None:
        canary.asked_for.append(address[:2])
        peers[connecting] = address
        host = "127.0.0.1" if connecting.family == socket.AF_INET else "::ffff:127.0.0.1"
        _connect(connecting, (host, canary.port))

    def getpeername(connected: socket.socket) -> Any:
        return peers[connected] if hidden and connected in peers else _getpeername(connected)

    with receiving_raw(canary.behave) as receiver, monkeypatch.context() as patch:
        canary.port = receiver.port
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect)
        patch.setattr(socket.socket, "getpeername", getpeername)
        patch.setattr(socket, "getaddrinfo", canary.look_up)
        yield canary
