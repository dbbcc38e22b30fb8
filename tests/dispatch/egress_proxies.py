"""Egress proxies on loopback that really relay: HTTP CONNECT, the same over TLS, and SOCKS 5."""

import base64
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from dispatch.egress_proxy import EgressProxy
from tests.dispatch.raw_receivers import Conversation, receiving_raw

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class Proxy:
    """`asked_for` is what it was asked to connect to. It knows `names`, and leads everything else to where it says."""

    scheme: str
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    names: dict[str, str] = field(default_factory=dict)
    asked_for: list[tuple[str, int]] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def setting(self) -> EgressProxy:
        return self.known_as(*(self.login or (None, "")))

    def known_as(self, username: str | None, password: str) -> EgressProxy:
        return EgressProxy(scheme=self.scheme, host="127.0.0.1", port=self.port, username=username, password=password)

    def behave(self, conversation: Conversation) -> None:
        if self.tls is not None:
            conversation.start_tls(self.tls)
        target = self._by_socks(conversation) if self.scheme.startswith("socks") else self._by_connect(conversation)
        if target is None:
            return
        self.asked_for.append(target)
        host, port = target
        with contextlib.closing(socket.create_connection((self.names.get(host, host), port))) as onward:
            if self.scheme.startswith("socks"):
                # The address that it connects from, as a name: nobody should care.
                conversation.send(b"\x05\x00\x00\x03\x04here\x00\x50")
            else:
                conversation.send(ESTABLISHED)
            conversation.relay(onward)

    def _by_connect(self, conversation: Conversation) -> tuple[str, int] | None:
        head = conversation.read_request()
        self.heads.append(head)
        line, *headers = head.decode().split("\r\n")
        method, authority, _ = line.split(" ")
        if self.login is not None:
            expected = base64.b64encode(":".join(self.login).encode()).decode()
            if f"Proxy-Authorization: Basic {expected}" not in headers:
                conversation.send(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 2\r\n\r\nno")
                return None
        assert method == "CONNECT"
        host, _, port = authority.rpartition(":")
        return host.strip("[]"), int(port)

    def _by_socks(self, conversation: Conversation) -> tuple[str, int] | None:
        _, count = conversation.read(2)
        ways = conversation.read(count)
        way = 0 if self.login is None else 2
        conversation.send(bytes((5, way if way in ways else 255)))
        if way not in ways:
            return None
        if self.login is not None:
            given = []
            assert conversation.read(1) == b"\x01"
            for _ in range(2):
                given.append(conversation.read(conversation.read(1)[0]).decode())
            conversation.send(b"\x01" + bytes((tuple(given) != self.login,)))
            if tuple(given) != self.login:
                return None
        version, command, _, kind = conversation.read(4)
        assert (version, command) == (5, 1)
        if kind == 3:
            host = conversation.read(conversation.read(1)[0]).decode()
        else:
            host = str(ip_address(conversation.read({1: 4, 4: 16}[kind])))
        return host, int.from_bytes(conversation.read(2), "big")


@contextlib.contextmanager
def proxying(
    scheme: str,
    *,
    tls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
    names: dict[str, str] | None = None,
) -> Iterator[Proxy]:
    """Run a proxy for a block."""
    proxy = Proxy(scheme, tls=tls if scheme == "https" else None, login=login, names=names or {})
    with receiving_raw(proxy.behave) as receiver:
        proxy.port = receiver.port
        yield proxy


@contextlib.contextmanager
def behaving(scheme: str, behave: Callable[[Conversation], None]) -> Iterator[EgressProxy]:
    """Run a proxy that does `behave` with every connection."""
    with receiving_raw(behave) as receiver:
        yield EgressProxy(scheme=scheme, host="127.0.0.1", port=receiver.port)
