"""What is written down about an attempt, and where its delivery goes from there."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, islice

from django.conf import settings

from dispatch.backoff import delay_before_retry
from dispatch.engine import Done
from dispatch.masking import masked_headers, without_secrets
from dispatch.outbox import Attempted, Claim
from dispatch.states import DeliveryStatus, Outcome
from dispatch.transport import Timings

_LOST = "The worker ended while it was sending. Whether the request arrived is not known."
_NOT_TAKEN = "No worker took it in time: check that one runs that takes the queue housekeeping. Nothing was sent."


def record(done: Done, *, now: datetime, chance: float, worker: str, is_test: bool = False) -> Attempted:
    """Say what came of a job: delivered, failed for good, or pending until its next attempt, which a test has not.

    `chance` is a random number from 0 to 1, for the jitter.
    """
    claim, result, verdict = done.job.claim, done.result, done.verdict
    delay = None
    if verdict.outcome is not Outcome.SUCCESS and not verdict.final and not is_test:
        own = done.job.endpoint.retry_schedule
        delay = delay_before_retry(
            claim.attempt,
            schedule=settings.WEBHOOKS.retry_schedule if own is None else own,
            jitter=settings.WEBHOOKS.retry_jitter,
            chance=chance,
            retry_after=verdict.retry_after,
            retry_after_max=settings.WEBHOOKS.retry_after_max,
        )
        if verdict.at_once and delay is not None:
            delay = 0.0
    headers, body = masked_headers(result.headers), result.body.decode("utf-8", "replace")
    if result.secrets:
        headers = {name: without_secrets(value, result.secrets) for name, value in headers.items()}
        body = without_secrets(body, result.secrets, is_cut=True)
    headers, body = _kept(headers, body, settings.WEBHOOKS.response_limit)
    if verdict.outcome is Outcome.SUCCESS:
        status = DeliveryStatus.DELIVERED
    else:
        status = DeliveryStatus.FAILED if delay is None else DeliveryStatus.PENDING
    return Attempted(
        claim=claim,
        status=status,
        next_attempt_at=None if delay is None else now + timedelta(seconds=delay),
        outcome=verdict.outcome,
        error=verdict.error,
        started_at=result.started_at,
        finished_at=now,
        duration_ms=round(result.duration * 1000),
        status_code=result.status_code,
        remote_address=result.remote_address,
        response_headers=headers,
        response_body=body,
        worker=worker,
        timings_ms=_milliseconds(result.timings),
        head=done.job.head,
    )


def _milliseconds(timings: Timings) -> tuple[int | None, int | None, int | None, int | None]:
    dns, connect, tls, first_byte = [None if seconds is None else round(seconds * 1000) for seconds in timings]
    return dns, connect, tls, first_byte


def record_lost(
    claim: Claim,
    *,
    claimed_at: datetime,
    now: datetime,
    worker: str,
    is_test: bool = False,
    retry_schedule: Sequence[float] | None = None,
) -> Attempted:
    """Say what becomes of a claim whose worker was killed: it counts as an attempt, and the next is due at once.

    A test has no next one. `retry_schedule` is the endpoint's own, if it has one.
    """
    schedule = settings.WEBHOOKS.retry_schedule if retry_schedule is None else retry_schedule
    exhausted = is_test or claim.attempt > len(schedule)
    return Attempted(
        claim=claim,
        status=DeliveryStatus.FAILED if exhausted else DeliveryStatus.PENDING,
        next_attempt_at=None if exhausted else now,
        outcome=Outcome.WORKER_LOST,
        error=_LOST if worker else _NOT_TAKEN,
        started_at=claimed_at,
        finished_at=now,
        worker=worker,
    )


def _kept(headers: Mapping[str, str], body: str, limit: int) -> tuple[Mapping[str, str], str]:
    """Return what fits into `limit` bytes as UTF-8: headers as they came, then the beginning of the body."""
    sizes = [_size(name) + _size(value) for name, value in headers.items()]
    if (total := sum(sizes)) > limit:
        fitting = sum(used <= limit for used in accumulate(sizes))
        headers, total = dict(islice(headers.items(), fitting)), sum(sizes[:fitting])
    # Bytes that are no UTF-8 have become three times as many.
    if total + _size(body) > limit:
        body = body.encode()[: limit - total].decode(errors="ignore")
    return headers, body


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
