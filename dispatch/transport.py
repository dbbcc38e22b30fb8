"""The seam between the engine and whatever carries requests: values, and what a transport can do."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from dispatch.states import Outcome
from dispatch.tls_settings import TlsSettings


class Request(NamedTuple):
    """One POST. `key` comes back with its result. `tls` is what its endpoint asks of TLS, if anything."""

    key: Any
    url: str
    headers: Mapping[str, str]
    body: bytes
    tls: TlsSettings | None = None


class Result(NamedTuple):
    """What came of one request.

    `failure` says what kept a complete answer from coming, and `error` the same in a sentence without
    secrets; `status_code` may be there beside it, when an answer began. Header names are in lower case.
    `body` is the beginning of the response body.
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


class Transport(Protocol):
    """Carries many requests at a time. Every submitted request comes back as one result, whatever happens."""

    def submit(self, request: Request) -> None:
        """Send `request` in the background."""

    def poll(self, timeout: float) -> list[Result]:
        """Wait up to `timeout` seconds for results, and return all that are there."""
        ...

    def close(self) -> None:
        """Stop the background work and close all connections."""
