"""What is written down about an attempt, and where its delivery goes from there."""

from datetime import datetime, timedelta

from django.conf import settings

from dispatch.backoff import delay_before_retry
from dispatch.engine import Done
from dispatch.masking import masked_headers, without_secrets
from dispatch.outbox import Attempted, Claim
from dispatch.states import DeliveryStatus, Outcome


def record(done: Done, *, now: datetime, chance: float, worker: str) -> Attempted:
    """Say what came of a job: delivered, failed for good, or pending until its next attempt.

    `chance` is a random number from 0 to 1, for the jitter.
    """
    claim, result, verdict = done.job.claim, done.result, done.verdict
    delay = None
    if verdict.outcome is not Outcome.SUCCESS and not verdict.final:
        delay = delay_before_retry(
            claim.attempt,
            schedule=settings.WEBHOOKS.retry_schedule,
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
    )


def record_lost(claim: Claim, *, claimed_at: datetime, now: datetime, worker: str) -> Attempted:
    """Say what becomes of a claim whose worker was killed: it counts as an attempt, and the next is due at once."""
    exhausted = claim.attempt > len(settings.WEBHOOKS.retry_schedule)
    return Attempted(
        claim=claim,
        status=DeliveryStatus.FAILED if exhausted else DeliveryStatus.PENDING,
        next_attempt_at=None if exhausted else now,
        outcome=Outcome.WORKER_LOST,
        error="The worker ended while it was sending. Whether the request arrived is not known.",
        started_at=claimed_at,
        finished_at=now,
        worker=worker,
    )
