"""The sweep: it finds what wake-ups missed and what killed workers left behind.

Safe to run anywhere, any number of times, at the same time.
"""

import logging
import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.conf import settings
from redis import RedisError

from dispatch import bulk, emptying, fan_out, heartbeats, lanes, outbox, wake
from dispatch.outbox import PendingLane
from dispatch.recording import record_lost
from dispatch.states import DeliveryStatus
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState

logger = logging.getLogger(__name__)

# Sweep intervals after which others sweep in the place of whoever should have.
OVERDUE = 2
_FIRST = uuid.UUID(int=0)


def sweep(scheduled: lanes.Lanes, now: datetime) -> None:
    """Rescue lost deliveries, finish large fan-outs, have due challenges sent, cancel what disabled endpoints and
    those that did not answer their challenge have pending, ring the others.

    The database's part is done even if Redis does not answer; then raises `redis.RedisError`.
    """
    rescue(now)
    fan_out.finish_all()
    if Endpoint.objects.challenge_due(now).exists():
        wake.call_challenges()
    if bulk.is_any_running():
        wake.call_bulk_jobs()
    if emptying.is_due():
        wake.call_emptying()
    unreached = None
    overdue: list[datetime] = []
    for lanes_beyond in (outbox.pending_lanes, outbox.lined_lanes):
        swept = lanes_beyond(_FIRST)
        while swept:
            servable = _servable(swept, now)
            overdue += [lane.next_due for lane in swept if lane.state is EndpointState.ACTIVE and lane.next_due]
            try:
                scheduled.ring(servable)
            except RedisError as error:
                unreached = error
            swept = lanes_beyond(swept[-1].endpoint_id)
    heartbeats.note_sweep(now=now, oldest_due_at=min((due for due in overdue if due < now), default=None))
    if unreached:
        raise unreached
    scheduled.note_sweep(OVERDUE * settings.WEBHOOKS.sweep_interval)
    if scheduled.count_waiting():
        wake.call_pump()


def _servable(pending: Sequence[PendingLane], now: datetime) -> dict[uuid.UUID, float]:
    """Say in how many seconds each lane is to be served. Cancel what has no prospect of being sent."""
    servable = {}
    given_up = _given_up(lane.endpoint_id for lane in pending if lane.state is EndpointState.UNVERIFIED)
    deleted = emptying.deleted_among(lane.endpoint_id for lane in pending if lane.state is EndpointState.DISABLED)
    for lane in pending:
        if lane.endpoint_id in deleted:
            # It came after the rest was cancelled: published or sent at the moment of the deletion.
            outbox.cancel_pending(lane.endpoint_id, note=emptying.NOTE, now=now)
        elif lane.state is EndpointState.DISABLED and lane.is_kept:
            continue
        elif lane.state is EndpointState.DISABLED:
            cancelled = outbox.cancel_pending(lane.endpoint_id, note="The endpoint is disabled.", now=now)
            logger.info("cancelled %d deliveries of disabled endpoint %s", cancelled, lane.endpoint_id)
        elif lane.endpoint_id in given_up:
            note = "The endpoint did not answer its ownership challenge."
            cancelled = outbox.cancel_pending(lane.endpoint_id, note=note, now=now)
            logger.info("cancelled %d deliveries of unverified endpoint %s", cancelled, lane.endpoint_id)
        elif lane.state is EndpointState.ACTIVE:
            if lane.is_out_of_line:
                outbox.leave_lines(lane.endpoint_id, list(DeliveryStatus))
            due = [now] if lane.is_due or lane.is_out_of_line else [lane.next_due] if lane.next_due else []
            if due:
                # Behind a closed gate nothing is served before it opens.
                servable[lane.endpoint_id] = max(0.0, (max(*due, lane.closed_until or now) - now).total_seconds())
    return servable


def _given_up(unverified: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Say which of the endpoints nobody will challenge again by himself."""
    found = Endpoint.objects.challenge_given_up().filter(pk__in=[ids.encode("ep", each) for each in unverified])
    return {ids.decode("ep", pk) for pk in found.values_list("pk", flat=True)}


def _own_schedules(endpoint_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[float]]:
    """Read the retry schedules of endpoints that have one of their own."""
    if not endpoint_ids:
        return {}
    named = Endpoint.with_deleted.filter(pk__in=[ids.encode("ep", each) for each in endpoint_ids])
    return {ids.decode("ep", each.pk): each.retry_schedule for each in named if each.retry_schedule is not None}


def sweep_if_overdue(scheduled: lanes.Lanes, now: datetime) -> None:
    """Sweep if nobody has for two intervals. Raises `redis.RedisError` where Redis does not answer."""
    if scheduled.is_sweep_overdue(OVERDUE * settings.WEBHOOKS.sweep_interval):
        sweep(scheduled, now)


def rescue(now: datetime) -> int:
    """Make deliveries pending again whose claim has ended without an outcome. Say how many there were."""
    expired = outbox.expired(now)
    own = _own_schedules({each.claim.endpoint_id for each in expired})
    lost = [
        record_lost(
            each.claim,
            claimed_at=each.claimed_at,
            now=now,
            worker=each.worker,
            is_test=each.is_test,
            retry_schedule=own.get(each.claim.endpoint_id),
        )
        for each in expired
    ]
    rescued = len(outbox.finish(lost))
    if rescued:
        logger.warning("rescued %d deliveries of workers that ended", rescued)
    return rescued
