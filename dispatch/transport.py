"""The seam between the engine and whatever carries requests: values, and what a transport can do."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from dispatch.access import Access
from dispatch.states import Outcome
from dispatch.tls_settings import TlsSettings
from subscriptions.endpoint_urls import shortened


class Request(NamedTuple):
    """One POST. `key` comes back with its result.

    With an `access` that names a client, the transport adds the client's access token. `tls` is what its endpoint
    asks of TLS, if anything, and `timeout` how many seconds it gives the exchange, if less than the transport does.
    """

    key: Any
    url: str
    headers: Mapping[str, str]
    body: bytes
    access: Access | None = None
    tls: TlsSettings | None = None
    timeout: float | None = None

    def __repr__(self) -> str:
        # Without headers and body: it may end up in a log.
        return f"Request(url={shortened(self.url)!r})"


class Timings(NamedTuple):
    """Seconds that parts of a request took, None for what there was not: a connection that is used again has only
    the last. `first_byte` is from the end of the request to the beginning of the answer.
    """

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None


class Result(NamedTuple):
    """What came of one request.

    `failure` says what kept a complete answer from coming, and `error` the same in a sentence without
    secrets; `status_code` may be there beside it, when an answer began. Header names are in lower case.
    `body` is the beginning of the response body. `secrets` are texts that what is kept of the answer must not
    repeat. `is_token_worn_out` says that the receiver refused an access token that was taken before.
    """

    key: Any
    started_at: datetime
    duration: float
    status_code: int | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    remote_address: str = ""
    failure: Outcome | None = None
    error: str = ""
    secrets: tuple[str, ...] = ()
    is_token_worn_out: bool = False
    timings: Timings = Timings()

    def __repr__(self) -> str:
        # Without what the receiver said, and without the secrets.
        return f"Result(status_code={self.status_code}, failure={self.failure!r}, error={self.error!r})"


class Transport(Protocol):
    """Carries many requests at a time. Every submitted request comes back as one result, whatever happens."""

    def submit(self, request: Request) -> None:
        """Send `request` in the background."""

    def poll(self, timeout: float) -> list[Result]:
        """Wait up to `timeout` seconds for results, and return all that are there."""
        ...

    def close(self) -> None:
        """Stop the background work and close all connections."""
