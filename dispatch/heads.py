"""How a request began, as it may be kept and shown: where it went, its headers, and the format of its body. Pure.

Nearly all requests to an endpoint begin alike, so a head is written once, and attempts name it by its digest. What
differs stands in braces and is filled in from the attempt; what could be a secret is masked. Only headers that are
known to be none are kept as they are.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from dispatch.masking import MASK
from subscriptions.endpoint_urls import shortened
from subscriptions.payload_format import PayloadFormat

ID, TIMESTAMP = "{id}", "{timestamp}"
_SHOWN = frozenset({"accept-encoding", "content-type", "user-agent"})
_AUTHORIZATION = ("Authorization", MASK)
# Hosts that one process sends to in turn.
_REMEMBERED = 2_000


class Head(NamedTuple):
    """The head of a request as it is kept. `id` is made of the rest."""

    id: uuid.UUID
    url: str
    headers: tuple[tuple[str, str], ...]
    payload_format: PayloadFormat


def head_of(
    url: str,
    headers: Mapping[str, str],
    *,
    message_id: str,
    timestamp: int,
    has_token: bool,
    payload_format: PayloadFormat,
) -> Head:
    """Say how a request to `url` began. With `has_token` it carries an access token beside `headers`."""
    written = {message_id: ID, str(timestamp): TIMESTAMP}
    kept = tuple(
        [
            (name, value if name.lower() in _SHOWN else written.get(value, MASK))
            for name, value in headers.items()
            if not (has_token and name.lower() == "authorization")
        ]
    )
    return _head(shortened(url), (*kept, _AUTHORIZATION) if has_token else kept, payload_format)


def as_sent(
    headers: Iterable[tuple[str, str]], *, message_id: str, started_at: datetime, body: bytes, url: str
) -> list[tuple[str, str]]:
    """Return the headers of one attempt, in their order: those that were kept with its head, filled in."""
    values = {ID: message_id, TIMESTAMP: str(timestamp_of(started_at))}
    host = url.split("/")[2].lower()
    filled = [(name, values.get(value, value)) for name, value in headers]
    return [("Host", host), *filled, ("Content-Length", str(len(body)))]


def timestamp_of(moment: datetime) -> int:
    """Return the whole seconds since the epoch, as a signature names its time."""
    return int(moment.timestamp())


@lru_cache(maxsize=_REMEMBERED)
def _head(shown: str, headers: tuple[tuple[str, str], ...], payload_format: PayloadFormat) -> Head:
    digest = hashlib.sha256(json.dumps([shown, headers, payload_format]).encode()).digest()
    return Head(uuid.UUID(bytes=digest[:16]), shown, headers, payload_format)
