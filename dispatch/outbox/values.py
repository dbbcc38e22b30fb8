"""The values that the outbox takes and gives. Ids are UUIDs here, as in the database."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from dispatch.heads import Head
from dispatch.sql import to_time, to_uuid
from dispatch.states import FINAL, DeliveryStatus, Outcome
from subscriptions import ids
from subscriptions.models import EndpointState
from subscriptions.models.flow_control import WhenDisabled

_ERROR_LENGTH = 500


class Share(NamedTuple):
    """How much is claimed at an endpoint of what is due there: of the oldest, and of the newest."""

    endpoint_id: uuid.UUID
    oldest: int
    newest: int


class Claim(NamedTuple):
    """One delivery that is mine to send, under `token`. `attempt` is 1 for the first."""

    delivery_id: uuid.UUID
    event_id: uuid.UUID
    endpoint_id: uuid.UUID
    attempt: int
    token: uuid.UUID


class Expired(NamedTuple):
    """A claim whose lease has ended, with when and by which worker it was made. Nobody took a test without a worker."""

    claim: Claim
    claimed_at: datetime
    worker: str
    is_test: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """What `claim` took, and for each lane when its next pending delivery is due, if there is one.

    Where more is due already, that is when any of it fell due.
    """

    claims: list[Claim]
    next_due: Mapping[uuid.UUID, datetime | None]


class Attempted(NamedTuple):
    """How the attempt of a claim went, and where its delivery goes: on with `next_attempt_at`, or to its end."""

    claim: Claim
    status: DeliveryStatus
    outcome: Outcome
    started_at: datetime
    finished_at: datetime
    worker: str
    next_attempt_at: datetime | None = None
    duration_ms: int | None = None
    status_code: int | None = None
    error: str = ""
    remote_address: str = ""
    response_headers: Mapping[str, str] | None = None
    response_body: str = ""
    # Milliseconds: name look-up, connecting, TLS, and waiting for the answer's first byte.
    timings_ms: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
    head: Head | None = None


class NewEvent(NamedTuple):
    """An event as it is to be written. `patterns` are those that match its type, separated by spaces.

    `channels` is a JSON list.
    """

    id: uuid.UUID
    type: str
    subscriber_id: uuid.UUID | None
    payload: str
    idempotency_key: str | None
    created_at: datetime
    channels: str
    ordering_key: str
    patterns: str
    deliver_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class FannedOut:
    """What became of an event: the endpoints that have a pending delivery and are to be served now.

    `is_complete` is False where more endpoints want the event than get their delivery in one go.
    """

    endpoint_ids: list[uuid.UUID]
    is_complete: bool


class PendingLane(NamedTuple):
    """An endpoint that has pending deliveries, and when the first of them is due."""

    endpoint_id: uuid.UUID
    state: EndpointState
    next_due: datetime | None
    # Whether what waits while it is disabled is kept.
    is_kept: bool = False
    # Nothing goes before, as its breaker is open or its receiver asked for that.
    closed_until: datetime | None = None
    # Whether something may be due, which only a look at all its lines would tell.
    is_due: bool = False
    # Whether it is not ordered any more, and its deliveries still stand in line.
    is_out_of_line: bool = False

    @classmethod
    def read(
        cls,
        endpoint_id: uuid.UUID | str,
        state: str,
        next_due: datetime | str | None,
        when_disabled: str,
        state_changed_at: datetime | str | None,
        noted_at: datetime | str | None,
        closed_until: datetime | str | None,
    ) -> "PendingLane":
        """Read a row. What was noted of its health before its state changed means nothing any more."""
        is_stale = noted_at and state_changed_at and to_time(noted_at) < to_time(state_changed_at)
        return cls(
            to_uuid(endpoint_id),
            EndpointState(state),
            to_time(next_due) if next_due else None,
            when_disabled == WhenDisabled.KEEP,
            to_time(closed_until) if closed_until and not is_stale else None,
        )


class AttemptRow(NamedTuple):
    """One attempt as the statements of `finish` take it."""

    delivery_id: uuid.UUID
    number: int
    token: uuid.UUID
    attempt_id: uuid.UUID
    status: str
    next_attempt_at: datetime | None
    delivery_finished_at: datetime | None
    outcome: str
    status_code: int | None
    error: str
    started_at: datetime
    duration_ms: int | None
    remote_address: str
    response_headers: str
    response_body: str
    worker: str
    dns_ms: int | None
    connect_ms: int | None
    tls_ms: int | None
    first_byte_ms: int | None
    request_head_id: uuid.UUID | None


def attempt_row(attempted: Attempted) -> AttemptRow:
    claim = attempted.claim
    dns, connect, tls, first_byte = attempted.timings_ms
    return AttemptRow(
        delivery_id=claim.delivery_id,
        number=claim.attempt,
        token=claim.token,
        attempt_id=ids.uuid7(),
        status=attempted.status.value,
        next_attempt_at=attempted.next_attempt_at,
        delivery_finished_at=attempted.finished_at if attempted.status in FINAL else None,
        outcome=attempted.outcome.value,
        status_code=attempted.status_code,
        error=_storable(attempted.error)[:_ERROR_LENGTH],
        started_at=attempted.started_at,
        duration_ms=attempted.duration_ms,
        remote_address=attempted.remote_address,
        response_headers=json.dumps(
            {_storable(name): _storable(value) for name, value in (attempted.response_headers or {}).items()}
        ),
        response_body=_storable(attempted.response_body),
        worker=attempted.worker,
        dns_ms=dns,
        connect_ms=connect,
        tls_ms=tls,
        first_byte_ms=first_byte,
        request_head_id=attempted.head and attempted.head.id,
    )


def _storable(text: str) -> str:
    # PostgreSQL stores no NUL character in a text.
    return text.replace("\x00", "\ufffd")
