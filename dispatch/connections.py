"""Guarded connections: the one module that opens sockets to receivers.

urllib3's connection classes with a `_new_conn` of our own: the name is resolved within a time limit, every
address is judged, and what is connected to is a judged address. Host header and TLS server name stay.
"""

import io
import logging
import socket
import ssl
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerInTime
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from dispatch import addresses
from dispatch.deadlines import Exchange

# A name server that does not answer holds a thread for half a minute: there are enough left for other names.
_RESOLVERS = 256
_HOSTS_KEPT = 1000
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


class IdleConnections:
    """Open connections that no exchange uses: at most `limit`, and the one that is idle longest is closed first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._hosts: OrderedDict[HTTPConnection, Hashable] = OrderedDict()
        # The connections of each host, the one that is idle longest first.
        self._connections: defaultdict[Hashable, deque[HTTPConnection]] = defaultdict(deque)

    def keep(self, connection: HTTPConnection, host: Hashable) -> None:
        """Keep `connection` until somebody takes it or there are too many."""
        with self._lock:
            self._hosts[connection] = host
            self._connections[host].append(connection)
            excess = self._take_oldest() if len(self._hosts) > self._limit else None
        if excess is not None:
            excess.close()

    def take(self, host: Hashable) -> HTTPConnection | None:
        """Take the connection to `host` that was used last, if there is one."""
        with self._lock:
            if host not in self._connections:
                return None
            connection = self._connections[host].pop()
            self._forget(connection, host)
            return connection

    def close(self) -> None:
        """Close all."""
        with self._lock:
            while self._hosts:
                self._take_oldest().close()

    def _take_oldest(self) -> HTTPConnection:
        connection, host = next(iter(self._hosts.items()))
        self._connections[host].popleft()
        self._forget(connection, host)
        return connection

    def _forget(self, connection: HTTPConnection, host: Hashable) -> None:
        del self._hosts[connection]
        if not self._connections[host]:
            del self._connections[host]


class Connector:
    """Opens sockets within `timeout` seconds, to public addresses and those in `allowed_networks` only."""

    def __init__(self, *, timeout: float, allowed_networks: tuple[addresses.Network, ...]) -> None:
        self._timeout = timeout
        self._allowed_networks = allowed_networks
        # The resolver of the C library obeys no time-out: it is asked in threads that can be left behind.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")
        self.idle = IdleConnections(_IDLE_CONNECTIONS)

    def connect(self, connection: HTTPConnection, exchange: Exchange) -> socket.socket:
        """Connect to the host of `connection`.

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

    def close(self) -> None:
        """Let the resolving threads go, and close the connections that are idle."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)
        self.idle.close()

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


class _Thread(threading.local):
    """Whose exchange the calling thread is busy with: urllib3 hands nothing of ours down to a connection."""

    connector: Connector
    exchange: Exchange


this_thread = _Thread()


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
        # After a change of protocols (101), which nobody asked for, there is no next answer.
        self.will_close = self.will_close or self.status < 200


class _GuardedConnection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return this_thread.connector.connect(self, this_thread.exchange)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            this_thread.exchange.use(self.sock)
            this_thread.exchange.remote_address = self.sock.getpeername()[0]
        super().request(*args, **kwargs)


class _GuardedHTTPSConnection(_GuardedConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    """A pool without connections of its own: those that are idle are kept for all hosts together."""

    ConnectionCls = _GuardedConnection

    @property
    def _place(self) -> Hashable:
        return self.scheme, self.host, self.port

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = this_thread.connector.idle.take(self._place)
        if connection is not None and not connection.is_connected:
            connection.close()
            connection = None
        return connection or self._new_conn()

    def _put_conn(self, conn: Any) -> None:
        if conn is not None and conn.sock is not None:
            # Somebody else may use it from now on: this exchange must not shut it any more.
            this_thread.exchange.finish()
            this_thread.connector.idle.keep(conn, self._place)


class _HTTPSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPSConnection


def pool_manager(tls: ssl.SSLContext) -> PoolManager:
    """Make a manager of pools of guarded connections, which share the one TLS context."""
    manager = PoolManager(num_pools=_HOSTS_KEPT, maxsize=1, ssl_context=tls)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _HTTPSPool}
    return manager
