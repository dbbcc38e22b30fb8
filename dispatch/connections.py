"""Guarded connections: the one module that opens sockets to receivers.

urllib3's connection classes with a `_new_conn` of our own: the name is resolved within a time limit, every
address is judged, and what is connected to is a judged address. Host header and TLS server name stay.
"""

import logging
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerInTime
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util import parse_url

from dispatch.addresses import AddressPolicy
from dispatch.deadlines import Exchange
from dispatch.idle_connections import IdleConnections

# A name server that does not answer holds a thread for half a minute: there are enough left for other names.
_RESOLVERS = 256
_PORTS = {"http": 80, "https": 443}

# Its warnings contain whole URLs, and receivers can provoke them.
logging.getLogger("urllib3").setLevel(logging.ERROR)

AddressInfo = tuple[Any, ...]


class AddressRefused(Exception):
    """The policy does not allow an address, its port or plain http. Not an `OSError`, which urllib3 would wrap."""


class NameNotResolvedInTime(ConnectTimeoutError):
    """The resolver did not answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: a host to connect to, and how the request names it and its path."""

    scheme: str
    host: str
    port: int
    authority: str
    path: str


@lru_cache(maxsize=10_000)
def target_of(url: str) -> Target:
    """Read an http or https URL. Raises `urllib3.exceptions.LocationParseError` for any other text."""
    parsed = parse_url(url)
    if parsed.scheme not in _PORTS or not parsed.host:
        raise LocationParseError("not an http or https URL")
    authority = parsed.host if parsed.port is None else f"{parsed.host}:{parsed.port}"
    port = _PORTS[parsed.scheme] if parsed.port is None else parsed.port
    return Target(parsed.scheme, parsed.host.strip("[]"), port, authority, parsed.request_uri)


class Connector:
    """Connects within `timeout` seconds, after at most `dns_timeout` for the name, to what `policy` allows.

    Connections that are given back are used again, and share the one TLS context.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        *,
        timeout: float,
        dns_timeout: float,
        policy: AddressPolicy,
        idle: IdleConnections,
    ) -> None:
        self._tls = tls
        self._timeout = timeout
        self._dns_timeout = dns_timeout
        self._policy = policy
        # The resolver of the C library obeys no time-out: it is asked in threads that can be left behind.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")
        self._idle = idle

    def connection(self, target: Target, exchange: Exchange) -> HTTPConnection:
        """Return a connection to `target`, for `exchange`, whose socket waits without a time-out of its own.

        Raises what `open` does, and `ssl.SSLError`.
        """
        kept = self._idle.take((target.scheme, target.host, target.port))
        if isinstance(kept, _Connection) and kept.sock is not None and _is_quiet(kept.sock):
            exchange.borrow(kept.sock)
            exchange.remote_address = kept.remote_address
            return kept
        if kept is not None:
            kept.close()
        connection = self._new_connection(target)
        connection.connector, connection.exchange = self, exchange
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            connection.sock.settimeout(None)
        return connection

    def give_back(self, connection: HTTPConnection, target: Target, exchange: Exchange) -> None:
        """Keep `connection` for the next exchange with the same host."""
        # Somebody else may use it from now on: this exchange must not shut it any more.
        exchange.finish()
        self._idle.keep(connection, (target.scheme, target.host, target.port))

    def discard(self, connection: HTTPConnection, exchange: Exchange) -> None:
        """Close `connection`."""
        exchange.finish()
        connection.close()

    def open(self, connection: HTTPConnection, exchange: Exchange) -> socket.socket:
        """Open a socket to the host of `connection`.

        Raises `AddressRefused` if any address of the host is refused, otherwise what urllib3's own would.
        """
        found = self._resolve(connection, exchange)
        for *_, address in found:
            reason = self._policy.refusal(address[0], port=address[1], tls=isinstance(connection, HTTPSConnection))
            if reason is not None:
                raise AddressRefused(reason)
        failure: OSError = OSError("the host has no address")
        for info in found:
            try:
                opened = self._open(info, exchange)
            except OSError as error:
                failure = error
                continue
            exchange.remote_address = info[4][0]
            return opened
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(connection, "timed out") from failure
        raise NewConnectionError(connection, failure.strerror or str(failure)) from failure

    def _new_connection(self, target: Target) -> "_Connection":
        if target.scheme == "https":
            return _TLSConnection(target.host, target.port, ssl_context=self._tls)
        return _Connection(target.host, target.port)

    def close(self) -> None:
        """Let the resolving threads go."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def _open(self, info: AddressInfo, exchange: Exchange) -> socket.socket:
        family, kind, protocol, _, address = info
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(min(self._timeout, exchange.remaining))
            exchange.use(opened)
            opened.connect(address)
            if opened.getpeername()[:2] != address[:2]:
                raise AddressRefused(f"a connection to {address[0]} led elsewhere.")
        except (OSError, AddressRefused):
            opened.close()
            raise
        return opened

    def _resolve(self, connection: HTTPConnection, exchange: Exchange) -> list[AddressInfo]:
        host, port = connection._dns_host, connection.port
        try:
            if _is_address(host):
                return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer = self._resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            return answer.result(min(self._dns_timeout, exchange.remaining))
        except NoAnswerInTime as error:
            answer.cancel()
            raise NameNotResolvedInTime(connection, "the resolver did not answer") from error
        except (socket.gaierror, UnicodeError) as error:
            wrong = error if isinstance(error, socket.gaierror) else socket.gaierror(socket.EAI_NONAME, str(error))
            raise NameResolutionError(connection.host, connection, wrong) from error


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_quiet(connected: socket.socket) -> bool:
    """Say whether nothing was received, neither the end of the connection nor what nobody asked for."""
    try:
        # Of the socket itself, also where TLS is spoken over it.
        socket.socket.recv(connected, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class _Connection(HTTPConnection):
    """A connection whose socket a `Connector` opens for the exchange that it serves."""

    connector: Connector
    exchange: Exchange
    remote_address = ""

    def _new_conn(self) -> socket.socket:
        opened = self.connector.open(self, self.exchange)
        self.remote_address = self.exchange.remote_address
        return opened


class _TLSConnection(_Connection, HTTPSConnection):
    pass
