"""Sending with the real transport, and waiting for what comes of it."""

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, TypeVar

from dispatch.addresses import AddressPolicy
from dispatch.requests_transport import Limits, RequestsTransport
from dispatch.states import Outcome
from dispatch.tls_settings import TlsSettings
from dispatch.transport import Request, Result

T = TypeVar("T")

LONG = 20.0
DEADLINE = 0.4
RESPONSE_LIMIT = 16 * 1024
LOOPBACK = AddressPolicy(allowed_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))

# How results fail.
NOT_HTTP = (Outcome.PROTOCOL_ERROR, "The answer was not valid HTTP.")
TOO_SHORT = (Outcome.PROTOCOL_ERROR, "The answer ended before it was complete.")
CLOSED = (Outcome.CONNECTION_ERROR, "The connection failed: closed by the receiver.")
RESET = (Outcome.CONNECTION_ERROR, "The connection failed: Connection reset by peer.")
TIMED_OUT = (Outcome.TIMEOUT, f"There was no complete answer within {DEADLINE:g} seconds.")


def limits(policy: AddressPolicy = LOOPBACK, **changes: Any) -> Limits:
    """Return limits that no request meets which is not made to."""
    defaults: dict[str, Any] = {
        "concurrency": 4,
        "deadline": LONG,
        "connect_timeout": LONG,
        "dns_timeout": LONG,
        "response_limit": RESPONSE_LIMIT,
        "idle_connections": 256,
        "idle_seconds": LONG,
    }
    return Limits(**{**defaults, **changes}, policy=policy)


@contextlib.contextmanager
def transporting(
    policy: AddressPolicy = LOOPBACK, tls: ssl.SSLContext | None = None, **changes: Any
) -> Iterator[RequestsTransport]:
    """Run a transport for a block."""
    transport = RequestsTransport(limits(policy, **changes), tls)
    try:
        yield transport
    finally:
        transport.close()


def send(
    transport: RequestsTransport,
    url: str,
    body: bytes = b"{}",
    *,
    headers: Mapping[str, str] | None = None,
    tls: TlsSettings | None = None,
) -> Result:
    """Send one request, and wait for what comes of it."""
    transport.submit(Request("key", url, headers or {}, body, tls=tls))
    [result] = collect(transport.poll, 1)
    return result


def collect(poll: Callable[[float], list[T]], count: int) -> list[T]:
    """Wait until `poll`, which is told for how many seconds it may wait, has returned `count` results in all."""
    results: list[T] = []
    give_up = time.monotonic() + LONG
    while len(results) < count:
        assert time.monotonic() < give_up, f"only {len(results)} of {count} results came"
        results += poll(0.1)
    assert len(results) == count
    return results
