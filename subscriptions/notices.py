"""Notices: what operators are told of. This app tells nobody itself and knows no app above it.

Whoever makes something happen that operators should know of calls `tell` in the transaction in which it happens: the
notice is written with it or, if that rolls back, not at all.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class NoticeKind(enum.StrEnum):
    ENDPOINT_DISABLED = "endpoint.disabled"
    ENDPOINT_ENABLED = "endpoint.enabled"
    ENDPOINT_FAILING = "endpoint.failing"
    ENDPOINT_RECOVERED = "endpoint.recovered"
    ENDPOINT_SECRET_ROTATED = "endpoint.secret_rotated"  # noqa: S105 - a name
    DELIVERY_EXHAUSTED = "delivery.exhausted"
    CERTIFICATE_EXPIRING = "certificate.expiring"
    BACKLOG_GROWING = "backlog.growing"


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that operators are told of.

    `cause` is a word that stays the same whenever the same happens again, `reason` a sentence. `facts` is what JSON can
    say, without secrets and URLs. What happened with the same text in `once` before is not told again. What
    `is_of_operators` happens at their own endpoints only: no event tells them, as it would go just there.
    """

    kind: NoticeKind
    cause: str
    reason: str
    at: datetime
    endpoint_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    once: str | None = None
    is_of_operators: bool = False


_calls: list[Callable[[Happened], None]] = []


def when_told(call: Callable[[Happened], None]) -> None:
    """Have `call` called with whatever happens, inside the transaction in which it does."""
    _calls.append(call)


def tell(happened: Happened) -> None:
    """Tell whoever writes notices. Inside a transaction."""
    for each in _calls:
        each(happened)
