"""Guarded connections: the one module that opens sockets to receivers.

urllib3's connection classes with a `_new_conn` of our own: the name is resolved within a time limit, every
address is judged, and what is connected to is a judged address. Host header and TLS server name stay.
"""

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerInTime
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from dispatch import addresses
from dispatch.deadlines import Exchange

_RESOLVERS = 8
_HOSTS_KEPT = 1000

AddressInfo = tuple[Any, ...]


class AddressRefused(Exception):
    """The policy does not allow an address. Not an `OSError`, which urllib3 would wrap."""


class Connector:
    """Opens sockets within `timeout` seconds, to public addresses and those in `allowed_networks` only."""

    def __init__(self, *, timeout: float, allowed_networks: tuple[addresses.Network, ...]) -> None:
        self._timeout = timeout
        self._allowed_networks = allowed_networks
        # The resolver of the C library obeys no time-out: it is asked in threads that can be left behind.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")

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
        for family, kind, protocol, _, address in found:
            opened = socket.socket(family, kind, protocol)
            try:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened.settimeout(min(self._timeout, exchange.remaining))
                exchange.use(opened)
                opened.connect(address)
            except OSError as error:
                opened.close()
                failure = error
                continue
            exchange.remote_address = address[0]
            return opened
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(connection, "timed out") from failure
        raise NewConnectionError(connection, failure.strerror or str(failure)) from failure

    def close(self) -> None:
        """Let the resolving threads go."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def _resolve(self, connection: HTTPConnection, exchange: Exchange) -> list[AddressInfo]:
        answer = self._resolvers.submit(
            socket.getaddrinfo, connection._dns_host, connection.port, type=socket.SOCK_STREAM
        )
        try:
            return answer.result(min(self._timeout, exchange.remaining))
        except NoAnswerInTime as error:
            answer.cancel()
            late = socket.gaierror(socket.EAI_AGAIN, "no answer in time")
            raise NameResolutionError(connection.host, connection, late) from error
        except (socket.gaierror, UnicodeError) as error:
            wrong = error if isinstance(error, socket.gaierror) else socket.gaierror(socket.EAI_NONAME, str(error))
            raise NameResolutionError(connection.host, connection, wrong) from error


class _Thread(threading.local):
    """Whose exchange the calling thread is busy with: urllib3 hands nothing of ours down to a connection."""

    connector: Connector
    exchange: Exchange


this_thread = _Thread()


class _GuardedConnection(HTTPConnection):
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
    ConnectionCls = _GuardedConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPSConnection


def pool_manager(tls: ssl.SSLContext, *, connections_per_host: int) -> PoolManager:
    """Make a manager of pools of guarded connections, which share the one TLS context."""
    manager = PoolManager(num_pools=_HOSTS_KEPT, maxsize=connections_per_host, ssl_context=tls)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _HTTPSPool}
    return manager
