"""The seam between the engine and whatever carries requests: values, and what a transport can do."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from dispatch.states import Outcome


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. `key` comes back with its result."""

    key: Hashable
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request.

    `failure` says what kept a complete answer from coming, and `error` the same in a sentence without
    secrets; `status_code` may be there beside it, when an answer began. Header names are in lower case.
    `body` is the beginning of the response body.
    """

    key: Hashable
    started_at: datetime
    duration: float
    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
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
