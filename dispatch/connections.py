"""Guarded connections: the one module that opens sockets to receivers.

urllib3's connection classes with a `_new_conn` of our own: the name is resolved within a time limit, every
address is judged, and what is connected to is a judged address. Host header and TLS server name stay.
"""

import logging
import socket
import ssl
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util import parse_url
from urllib3.util.ssltransport import SSLTransport

from dispatch.addresses import AddressPolicy
from dispatch.deadlines import Exchange
from dispatch.egress_proxy import EgressProxy
from dispatch.idle_connections import IdleConnections
from dispatch.name_lookups import AddressInfo, NameLookups, NoAnswerInTime, is_address
from dispatch.proxies import ProxyFailed, tunnel
from dispatch.tls_contexts import TlsContexts
from dispatch.tls_settings import TlsSettings

_PORTS = {"http": 80, "https": 443}

# Its warnings contain whole URLs, and receivers can provoke them.
logging.getLogger("urllib3").setLevel(logging.ERROR)


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
    # Shown in no representation, so in no log: often a credential.
    path: str = field(repr=False)


@lru_cache(maxsize=4_000)
def target_of(url: str) -> Target:
    """Read an http or https URL. Raises `urllib3.exceptions.LocationParseError` for any other text."""
    try:
        parsed = parse_url(url)
    except LocationParseError:
        # Its text is the URL.
        raise LocationParseError("not an http or https URL") from None
    if parsed.scheme not in _PORTS or not parsed.host:
        raise LocationParseError("not an http or https URL")
    authority = parsed.host if parsed.port is None else f"{parsed.host}:{parsed.port}"
    port = _PORTS[parsed.scheme] if parsed.port is None else parsed.port
    return Target(parsed.scheme, parsed.host.strip("[]"), port, authority, parsed.request_uri)


class Connector:
    """Connects within `timeout` seconds, after at most `dns_timeout` for the name, to what `policy` allows.

    With a `proxy`, which itself is not judged, nothing is connected to but that. It is asked for a judged address;
    if `proxy_resolves`, or its scheme says so, for the name. Connections that are given back are used again, by
    whoever asks the same of TLS.
    """

    def __init__(
        self,
        tls: TlsContexts,
        *,
        timeout: float,
        dns_timeout: float,
        policy: AddressPolicy,
        idle: IdleConnections,
        proxy: EgressProxy | None = None,
        proxy_resolves: bool = False,
    ) -> None:
        self._tls = tls
        self._timeout = timeout
        self._policy = policy
        self._names = NameLookups(dns_timeout)
        self._idle = idle
        self._proxy = proxy
        self._proxy_resolves = proxy is not None and (proxy_resolves or proxy.scheme == "socks5h")

    def connection(self, target: Target, exchange: Exchange, tls: TlsSettings | None = None) -> HTTPConnection:
        """Return a connection to `target`, for `exchange`, whose socket waits without a time-out of its own.

        Raises what `open` does, `ssl.SSLError`, and `TlsUnusable` for `tls`.
        """
        # Nobody else's certificate is shown, and nobody is trusted whom this endpoint doesn't trust.
        key = (target.scheme, target.host, target.port, tls and tls.digest)
        kept = self._idle.take(key)
        if isinstance(kept, _Connection) and kept.sock is not None and _is_quiet(kept.sock):
            exchange.borrow(kept.sock)
            exchange.remote_address = kept.remote_address
            return kept
        if kept is not None:
            kept.close()
        connection = self._new_connection(target, tls)
        connection.connector, connection.exchange, connection.key = self, exchange, key
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        finally:
            if connection.opened_at and target.scheme == "https":
                exchange.tls = time.monotonic() - connection.opened_at
        if connection.sock is not None:
            connection.sock.settimeout(None)
        return connection

    def give_back(self, connection: HTTPConnection, exchange: Exchange) -> None:
        """Keep `connection` for the next exchange with the same host."""
        # Somebody else may use it from now on: this exchange must not shut it any more.
        exchange.finish()
        if isinstance(connection, _Connection):
            self._idle.keep(connection, connection.key)

    def discard(self, connection: HTTPConnection, exchange: Exchange) -> None:
        """Close `connection`."""
        exchange.finish()
        connection.close()

    def open(self, connection: HTTPConnection, exchange: Exchange) -> socket.socket:
        """Open a socket to the host of `connection`.

        Raises `AddressRefused` if any address of the host is refused, `ProxyFailed`, otherwise what urllib3's own
        would.
        """
        host, port, tls = connection._dns_host, connection.port, isinstance(connection, HTTPSConnection)
        if self._proxy_resolves and not is_address(host):
            self._judge(self._policy.refusal_of_name(host, port=port, tls=tls))
            return self._open_tunnel(host, port, exchange)
        found = self._resolve(connection, exchange)
        for *_, address in found:
            self._judge(self._policy.refusal(address[0], port=address[1], tls=tls))
        started = time.monotonic()
        try:
            return self._open_first(found, connection, exchange)
        finally:
            exchange.connect = time.monotonic() - started

    def _open_first(self, found: list[AddressInfo], connection: HTTPConnection, exchange: Exchange) -> socket.socket:
        port = connection.port
        failure: OSError | ProxyFailed = OSError("the host has no address")
        for info in found:
            try:
                opened = self._open_tunnel(info[4][0], port, exchange) if self._proxy else self._open(info, exchange)
            except OSError as error:
                failure = error
                continue
            except ProxyFailed as error:
                if not error.was_asked:
                    raise
                failure = error
                continue
            exchange.remote_address = info[4][0]
            return opened
        if isinstance(failure, ProxyFailed):
            raise failure
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(connection, "timed out") from failure
        raise NewConnectionError(connection, failure.strerror or str(failure)) from failure

    def close(self) -> None:
        """Let the resolving threads go."""
        self._names.close()

    def _new_connection(self, target: Target, tls: TlsSettings | None) -> "_Connection":
        if target.scheme != "https":
            return _Connection(target.host, target.port)
        kind = _TLSWithinTLS if self._proxy is not None and self._proxy.scheme == "https" else _TLSConnection
        return kind(target.host, target.port, ssl_context=self._tls.of(tls))

    def _judge(self, refusal: str | None) -> None:
        if refusal is not None:
            raise AddressRefused(refusal)

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

    def _open_tunnel(self, host: str, port: int, exchange: Exchange) -> socket.socket:
        proxy = self._proxy
        if proxy is None:
            raise ValueError("there is no proxy")
        try:
            found = self._names.addresses(proxy.host, proxy.port, within=exchange.remaining)
        except (NoAnswerInTime, socket.gaierror):
            raise ProxyFailed("The name of the egress proxy could not be resolved.") from None
        failure = OSError("it has no address")
        for info in found:
            try:
                opened = self._open(info, exchange)
            except OSError as error:
                failure = error
            else:
                return tunnel(opened, proxy, host, port, self._tls.common)
        reason = "timed out" if isinstance(failure, TimeoutError) else failure.strerror or str(failure)
        raise ProxyFailed(f"The egress proxy was not reached: {reason}.")

    def _resolve(self, connection: HTTPConnection, exchange: Exchange) -> list[AddressInfo]:
        started = time.monotonic()
        try:
            return self._names.addresses(connection._dns_host, connection.port, within=exchange.remaining)
        except NoAnswerInTime as error:
            raise NameNotResolvedInTime(connection, "the resolver did not answer") from error
        except socket.gaierror as error:
            raise NameResolutionError(connection.host, connection, error) from error
        finally:
            if not is_address(connection._dns_host):
                exchange.dns = time.monotonic() - started


def _is_quiet(connected: socket.socket | SSLTransport) -> bool:
    """Say whether nothing was received, neither the end of the connection nor what nobody asked for."""
    if isinstance(connected, SSLTransport):
        if connected.incoming.pending:
            return False
        connected = connected.socket
    elif isinstance(connected, ssl.SSLSocket) and connected.pending():
        # Received and decrypted already, so no longer in the socket.
        return False
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
    key: Hashable
    remote_address = ""
    # On the monotonic clock.
    opened_at: float | None = None

    def _new_conn(self) -> socket.socket:
        opened = self.connector.open(self, self.exchange)
        self.opened_at = time.monotonic()
        self.remote_address = self.exchange.remote_address
        return opened


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _TLSWithinTLS(_TLSConnection):
    """A connection whose socket speaks TLS already, with a proxy. Python's own TLS wants a plain one."""

    def connect(self) -> None:
        opened = self._new_conn()
        # Closed with the connection, also where the handshake fails.
        self.sock = opened
        if self.ssl_context is None:
            raise ValueError("there is no TLS context")
        self.sock = SSLTransport(opened, self.ssl_context, server_hostname=self.host.rstrip("."))
