"""Sending with the real transport, and waiting for what comes of it."""

import contextlib
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import Any

from dispatch.addresses import AddressPolicy
from dispatch.requests_transport import Limits, RequestsTransport
from dispatch.tls_settings import TlsSettings
from dispatch.transport import Request, Result

LONG = 20.0


@contextlib.contextmanager
def transporting(
    policy: AddressPolicy, tls: ssl.SSLContext | None = None, **limits: Any
) -> Iterator[RequestsTransport]:
    """Run a transport for a block."""
    defaults: dict[str, Any] = {
        "concurrency": 1,
        "deadline": LONG,
        "connect_timeout": LONG,
        "dns_timeout": LONG,
        "response_limit": 16 * 1024,
        "idle_connections": 16,
        "idle_seconds": LONG,
    }
    transport = RequestsTransport(Limits(**{**defaults, **limits}, policy=policy), tls)
    try:
        yield transport
    finally:
        transport.close()


def send(transport: RequestsTransport, url: str, body: bytes = b"{}", *, tls: TlsSettings | None = None) -> Result:
    """Send one request, and wait for what comes of it."""
    [result] = send_all(transport, [url], body, tls=tls)
    return result


def send_all(
    transport: RequestsTransport, urls: Sequence[str], body: bytes = b"{}", *, tls: TlsSettings | None = None
) -> list[Result]:
    """Send a request to each of `urls` at the same time, and wait for what comes of them."""
    for url in urls:
        transport.submit(Request("key", url, {"X-Y": "z"}, body, tls=tls))
    results: list[Result] = []
    give_up = time.monotonic() + LONG
    while len(results) < len(urls):
        assert time.monotonic() < give_up, f"only {len(results)} of {len(urls)} results came"
        results += transport.poll(0.1)
    return results
