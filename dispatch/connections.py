"""Guarded connections: the one module that opens sockets to receivers.

urllib3's connection classes with a `_new_conn` of our own: the name is resolved within a time limit, every
address is judged, and what is connected to is a judged address. Host header and TLS server name stay.
"""

import io
import logging
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerInTime
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import Url

from dispatch import addresses
from dispatch.deadlines import Exchange
from dispatch.idle_connections import IdleConnections

# A name server that does not answer holds a thread for half a minute: there are enough left for other names.
_RESOLVERS = 256
# Most systems let a process open 1,024 files.
_IDLE_CONNECTIONS = 256
_LINES_LENGTH = 256 * 1024
_INTERIM_ANSWERS = 10

# Its warnings contain whole URLs, and receivers can provoke them.
logging.getLogger("urllib3").setLevel(logging.ERROR)

AddressInfo = tuple[Any, ...]


class AddressRefused(Exception):
    """The policy does not allow an address. Not an `OSError`, which urllib3 would wrap."""


class NameNotResolvedInTime(ConnectTimeoutError):
    """The resolver did not answer."""


class Connector:
    """Connects within `timeout` seconds, to public addresses and those in `allowed_networks` only.

    Connections that are given back are used again, and share the one TLS context.
    """

    def __init__(self, tls: ssl.SSLContext, *, timeout: float, allowed_networks: tuple[addresses.Network, ...]) -> None:
        self._tls = tls
        self._timeout = timeout
        self._allowed_networks = allowed_networks
        # The resolver of the C library obeys no time-out: it is asked in threads that can be left behind.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")
        self._idle = IdleConnections(_IDLE_CONNECTIONS)

    def connection(self, url: Url, exchange: Exchange) -> HTTPConnection:
        """Return a connection to the host of `url`, for `exchange`. Raises what `open` does, and `ssl.SSLError`."""
        place = url.scheme, url.host, url.port
        connection = self._idle.take(place)
        if isinstance(connection, _Connection) and connection.is_connected and connection.sock is not None:
            exchange.use(connection.sock)
            exchange.remote_address = connection.remote_address
            connection.sock.settimeout(exchange.remaining)
            connection.exchange = exchange
            return connection
        if connection is not None:
            connection.close()
        connection = self._new_connection(url)
        connection.connector, connection.exchange = self, exchange
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            connection.sock.settimeout(exchange.remaining)
        return connection

    def give_back(self, connection: HTTPConnection, url: Url, exchange: Exchange) -> None:
        """Keep `connection` for the next exchange with the same host."""
        # Somebody else may use it from now on: this exchange must not shut it any more.
        exchange.finish()
        self._idle.keep(connection, (url.scheme, url.host, url.port))

    def open(self, connection: HTTPConnection, exchange: Exchange) -> socket.socket:
        """Open a socket to the host of `connection`.

        Raises `AddressRefused` if any address of the host is refused, otherwise what urllib3's own would.
        """
        found = self._resolve(connection, exchange)
        for *_, address in found:
            reason = addresses.refusal(address[0], self._allowed_networks)
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

    def _new_connection(self, url: Url) -> "_Connection":
        host = (url.host or "").strip("[]")
        if url.scheme == "https":
            return _TLSConnection(host, url.port, ssl_context=self._tls)
        return _Connection(host, url.port)

    def close(self) -> None:
        """Let the resolving threads go, and close the connections that are idle."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)
        self._idle.close()

    def _open(self, info: AddressInfo, exchange: Exchange) -> socket.socket:
        family, kind, protocol, _, address = info
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(min(self._timeout, exchange.remaining))
            exchange.use(opened)
            opened.connect(address)
        except OSError:
            opened.close()
            raise
        return opened

    def _resolve(self, connection: HTTPConnection, exchange: Exchange) -> list[AddressInfo]:
        answer = self._resolvers.submit(
            socket.getaddrinfo, connection._dns_host, connection.port, type=socket.SOCK_STREAM
        )
        try:
            return answer.result(min(self._timeout, exchange.remaining))
        except NoAnswerInTime as error:
            answer.cancel()
            raise NameNotResolvedInTime(connection, "the resolver did not answer") from error
        except (socket.gaierror, UnicodeError) as error:
            wrong = error if isinstance(error, socket.gaierror) else socket.gaierror(socket.EAI_NONAME, str(error))
            raise NameResolutionError(connection.host, connection, wrong) from error


class _Lines(io.BufferedReader):
    """A response's file, with an end to its lines: statuses, headers, sizes of chunks, trailers.

    http.client reads as many interim answers and trailers as it is sent, and takes headers that break off
    for all there are.
    """

    in_head = True
    _left = _LINES_LENGTH

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        has_broken_off = len(line) != size and not line.endswith(b"\n")
        if self.in_head and has_broken_off and (line or self._left < _LINES_LENGTH):
            raise IncompleteRead(line)
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException("there is too much beside the body")
        return line


class _Response(HTTPResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lines = self.fp = _Lines(self.fp.detach())

    def begin(self) -> None:
        super().begin()
        # http.client passes over 100 only. These are followed by the answer too (RFC 9110, section 15.2).
        for _ in range(_INTERIM_ANSWERS):
            if 102 <= self.status < 200:
                self.headers = None  # type: ignore[assignment] # so that it begins once more
                super().begin()
        self._lines.in_head = False
        if len(set(self.headers.get_all("content-length", ()))) > 1:
            raise HTTPException("there are two lengths")
        # After a change of protocols (101), which nobody asked for, there is no next answer.
        self.will_close = self.will_close or self.status < 200


class _Connection(HTTPConnection):
    """A connection whose socket a `Connector` opens for the exchange that it serves."""

    response_class = _Response
    connector: Connector
    exchange: Exchange
    remote_address = ""

    def _new_conn(self) -> socket.socket:
        opened = self.connector.open(self, self.exchange)
        self.remote_address = self.exchange.remote_address
        return opened


class _TLSConnection(_Connection, HTTPSConnection):
    pass
