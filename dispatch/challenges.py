"""Ownership challenges: an endpoint gets nothing until its URL has echoed a nonce from a signed request.

They go through an engine like deliveries do: signed, guarded, with a deadline. What comes of them is kept with the
endpoint, by the moves of `subscriptions.models.ownership`.
"""

import logging
import random
import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from dispatch import challenge_form, stopping, wake
from dispatch.backoff import delay_before_retry
from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.engine import Done, Engine, Job
from dispatch.outbox import Claim
from dispatch.states import Outcome
from subscriptions import ids
from subscriptions.models import Endpoint

logger = logging.getLogger(__name__)

AT_ONCE = 16
# The outcome of a 2xx that does not echo the nonce; the others are those of an attempt.
WRONG_ANSWER = "wrong_answer"
_NONCE_BYTES = 32
_PATIENCE = 0.05
_LOOK_INTERVAL = 0.5
# The lease of a try is relied on for this part of its time.
_SURE = 0.8
# Receivers tell repetitions by the id, and each try has another nonce to be echoed: so each has an id of its own.
_KIND = "chl"


@dataclass(frozen=True, slots=True)
class _Try:
    endpoint: Endpoint
    number: int
    nonce: str

    @property
    def nonce_hash(self) -> str:
        return challenge_form.hash_of(self.nonce)


def send_due(engine: Engine) -> None:
    """Send the challenges that are due, new ones for about a slice, and note what comes of them."""
    _rescue(datetime.now(UTC))
    now = time.monotonic()
    ends_at, look_at = now + settings.WEBHOOKS.pump_slice, now
    under_way: dict[uuid.UUID, _Try] = {}
    while True:
        now = time.monotonic()
        is_over = stopping.is_announced() or now > ends_at
        if not is_over and len(under_way) < AT_ONCE and (now >= look_at or not under_way):
            look_at = now + _LOOK_INTERVAL
            under_way |= _begin(engine, AT_ONCE - len(under_way))
        if not under_way:
            return
        for done in engine.poll(_PATIENCE):
            # A run that lost the database may have left some behind, whose tries have ended since.
            if tried := under_way.pop(done.job.claim.event_id, None):
                _finish(tried, done, datetime.now(UTC))
        for job in engine.withdraw(everything=is_over):
            if tried := under_way.pop(job.claim.event_id, None):
                tried.endpoint.return_challenge(tried.nonce_hash, now=datetime.now(UTC))


def _begin(engine: Engine, limit: int) -> dict[uuid.UUID, _Try]:
    """Claim due challenges, and hand them to the engine. Return them by the ids of their requests."""
    now, lease = datetime.now(UTC), settings.WEBHOOKS.claim_lease
    begin_by = time.monotonic() + _SURE * lease - settings.WEBHOOKS.request_deadline
    claimed: dict[uuid.UUID, _Try] = {}
    # Those that were lost have to be noted first, by the next run.
    for endpoint in Endpoint.objects.challenge_due(now).filter(challenge_nonce_hash="")[:limit]:
        tried = _Try(endpoint, endpoint.challenge_tries + 1, secrets.token_urlsafe(_NONCE_BYTES))
        if endpoint.claim_challenge(tried.nonce_hash, now=now, lease=timedelta(seconds=lease)):
            claimed[ids.uuid7()] = tried
    # Read after the claim: who changes the URL from now on takes the claim away.
    snapshots = EndpointSnapshots().get([_lane(each) for each in claimed.values()], time.monotonic())
    # An endpoint that was deleted meanwhile has no snapshot.
    claimed = {message_id: tried for message_id, tried in claimed.items() if _lane(tried) in snapshots}
    for message_id, tried in claimed.items():
        lane = _lane(tried)
        claim = Claim(message_id, message_id, lane, tried.number, message_id)
        body = challenge_form.body_with(tried.nonce)
        engine.submit(Job(claim, snapshots[lane], body, begin_by, kind=_KIND))
    return claimed


def _finish(tried: _Try, done: Done, now: datetime) -> None:
    outcome, error = _judge(tried, done)
    if outcome == Outcome.SUCCESS:
        if tried.endpoint.pass_challenge(tried.nonce_hash, now=now):
            logger.info("%s answered its ownership challenge", tried.endpoint.pk)
            wake.wake([_lane(tried)], anew=True)
        return
    delay = None if done.verdict.final else _delay(tried, done.verdict.retry_after)
    _fail(tried.endpoint, tried.nonce_hash, now=now, outcome=outcome, error=error, delay=delay)


def _judge(tried: _Try, done: Done) -> tuple[str, str]:
    """Say how a try ended: its outcome, and a sentence without secrets."""
    if done.verdict.outcome is not Outcome.SUCCESS:
        return done.verdict.outcome, done.verdict.error
    problem = challenge_form.problem_with(done.result.body, tried.nonce)
    return (Outcome.SUCCESS, "") if problem is None else (WRONG_ANSWER, problem)


def _rescue(now: datetime) -> None:
    """End the tries of workers that were killed: they count, and the next is due by the schedule."""
    lost: Iterable[Endpoint] = Endpoint.objects.challenge_due(now).exclude(challenge_nonce_hash="")
    for endpoint in lost:
        tried = _Try(endpoint, endpoint.challenge_tries, "")
        error = "The worker ended while it was sending. Whether the challenge arrived is not known."
        delay = _delay(tried, None)
        _fail(endpoint, endpoint.challenge_nonce_hash, now=now, outcome=Outcome.WORKER_LOST, error=error, delay=delay)


def _delay(tried: _Try, retry_after: float | None) -> float | None:
    return delay_before_retry(
        tried.number,
        schedule=settings.WEBHOOKS.challenge_schedule,
        jitter=settings.WEBHOOKS.retry_jitter,
        chance=random.random(),  # noqa: S311 - jitter
        retry_after=retry_after,
        retry_after_max=settings.WEBHOOKS.retry_after_max,
    )


def _fail(endpoint: Endpoint, nonce_hash: str, *, now: datetime, outcome: str, error: str, delay: float | None) -> None:
    retry_in = None if delay is None else timedelta(seconds=delay)
    if endpoint.fail_challenge(nonce_hash, now=now, outcome=outcome, error=error, retry_in=retry_in):
        then = "none will follow" if delay is None else f"the next in {delay:.0f} s"
        logger.info("%s: ownership challenge of %s, %s: %s", outcome, endpoint.pk, then, error)


def _lane(tried: _Try) -> uuid.UUID:
    return ids.decode("ep", tried.endpoint.pk)
