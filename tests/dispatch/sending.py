"""Send single requests with the real transport."""

import contextlib
import ssl
import time
from collections.abc import Iterator
from typing import Any

from dispatch.addresses import AddressPolicy
from dispatch.requests_transport import Limits, RequestsTransport
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
    }
    transport = RequestsTransport(Limits(**{**defaults, **limits}, policy=policy), tls)
    try:
        yield transport
    finally:
        transport.close()


def send(transport: RequestsTransport, url: str, body: bytes = b"{}") -> Result:
    """Send one request, and wait for what comes of it."""
    transport.submit(Request("key", url, {"X-Y": "z"}, body))
    give_up = time.monotonic() + LONG
    while time.monotonic() < give_up:
        for result in transport.poll(0.1):
            return result
    raise AssertionError(f"there was no result within {LONG:g} seconds")
