"""Many deliveries retried or cancelled at once, or many endpoints paused, resumed, enabled or disabled.

A job goes through what its filters find, in the background, oldest first, in steps. Each step is one transaction that
moves some of them and remembers how far it came, so that a worker may be killed at any time, any worker may go on, and
what is counted was done. What is made after a job was asked for is not meant by it.
"""

import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from dispatch import bulk_endpoints, outbox, wake
from dispatch.models import BulkAction, BulkJob, BulkStatus, Delivery
from dispatch.selection import deliveries_where, of_subscriber
from dispatch.states import DeliveryStatus
from subscriptions import ids
from subscriptions.models import Subscriber
from subscriptions.models.audit import Action, Actor, record
from subscriptions.models.endpoint_moves import Move

logger = logging.getLogger(__name__)

_AT_ONCE = 1000
# Each takes several statements.
_ENDPOINTS_AT_ONCE = 50
_FAILURES_KEPT = 100
_FIRST = uuid.UUID(int=0)
_TIMES = ("created_after", "created_before")


def count(action: BulkAction, filters: Mapping[str, Any], *, only: Subscriber | None = None) -> int:
    """Count what a job would mean now.

    `filters` are as `selection.deliveries_where` takes them, or, for endpoints, `bulk_endpoints.endpoints_where`.
    """
    if (move := action.move) is not None:
        return bulk_endpoints.meant(move, filters).count()
    return _meant(action, filters, only).count()


def count_others(action: BulkAction, filters: Mapping[str, Any]) -> dict[str, int]:
    """Count, by state, the endpoints that the filters name too, but that no job could move."""
    return {} if (move := action.move) is None else bulk_endpoints.count_others(move, filters)


@transaction.atomic
def ask(action: BulkAction, filters: Mapping[str, Any], *, by: Actor, only: Subscriber | None = None) -> BulkJob:
    """Write a job, and have it begun. With `only`, nothing of other subscribers is meant."""
    job = BulkJob.objects.create(
        action=action,
        filters=_written(filters),
        subscriber=only,
        asked_by=by.name,
        asked_from=by.address,
        total=count(action, filters, only=only),
        until=ids.uuid7(),
        created_at=timezone.now(),
    )
    record(Action.CREATED, job, by=by, detail=f"{action.label}: {job.total}.")
    transaction.on_commit(wake.call_bulk_jobs, robust=True)
    return job


def is_any_running() -> bool:
    """Say whether there is something to go on with."""
    return BulkJob.objects.filter(status=BulkStatus.RUNNING).exists()


def stop(job: BulkJob, *, now: datetime) -> bool:
    """Stop a job that runs, after the step that is under way. Say whether it did run."""
    running = BulkJob.objects.filter(pk=job.pk, status=BulkStatus.RUNNING)
    return bool(running.update(status=BulkStatus.STOPPED, finished_at=now))


def run() -> bool:
    """Go on with what is to be done, for about half a slice. Say whether more is left."""
    ends_at = time.monotonic() + settings.WEBHOOKS.pump_slice / 2
    while time.monotonic() < ends_at:
        steps = [_step(pk) for pk in BulkJob.objects.filter(status=BulkStatus.RUNNING).values_list("pk", flat=True)]
        if not any(steps):
            return False
    return True


class _Step(NamedTuple):
    """What a step did: those that it looked at, how many of them it moved, and why others could not be."""

    found: list[uuid.UUID]
    moved: int
    failures: list[bulk_endpoints.Failure]
    is_last: bool


def _step(pk: str) -> bool:
    """Move the next of a job. Say whether there may be more to do for this worker."""
    with transaction.atomic():
        jobs = BulkJob.objects.filter(pk=pk, status=BulkStatus.RUNNING)
        if connection.features.has_select_for_update_skip_locked:
            jobs = jobs.select_for_update(skip_locked=True)
        job = jobs.first()
        if job is None:
            return False
        now = timezone.now()
        step = _step_of_deliveries(job, now) if BulkAction(job.action).move is None else _step_of_endpoints(job, now)
        changes: dict[str, Any] = {"passed": F("passed") + len(step.found), "changed": F("changed") + step.moved}
        if step.failures:
            kept = [*job.failures, *(failure._asdict() for failure in step.failures)][:_FAILURES_KEPT]
            changes |= {"failed": F("failed") + len(step.failures), "failures": kept}
        if step.is_last:
            changes |= {"status": BulkStatus.DONE, "finished_at": now}
        else:
            changes |= {"after": step.found[-1]}
        BulkJob.objects.filter(pk=pk).update(**changes)
    logger.info("%s: %d of %d of a step were moved", job, step.moved, len(step.found))
    return not step.is_last


def _step_of_deliveries(job: BulkJob, now: datetime) -> _Step:
    after, until = ids.encode("dlv", job.after or _FIRST), ids.encode("dlv", job.until)
    meant = _meant(BulkAction(job.action), _read(job.filters), job.subscriber).filter(pk__gt=after, pk__lt=until)
    found = [ids.decode("dlv", found) for found in meant.order_by("pk").values_list("pk", flat=True)[:_AT_ONCE]]
    moved = _move(job, found, now)
    if job.action == BulkAction.RETRY:
        transaction.on_commit(lambda: wake.wake(_lanes(moved)), robust=True)
    return _Step(found, len(moved), [], is_last=len(found) < _AT_ONCE)


def _step_of_endpoints(job: BulkJob, now: datetime) -> _Step:
    move = Move(job.action)
    after, until = ids.encode("ep", job.after or _FIRST), ids.encode("ep", job.until)
    meant = bulk_endpoints.meant(move, _read(job.filters), since=job.created_at).filter(pk__gt=after, pk__lt=until)
    endpoints = list(meant.order_by("pk")[:_ENDPOINTS_AT_ONCE])
    failures = bulk_endpoints.move_all(endpoints, move, now=now, by=Actor(job.asked_by, job.asked_from))
    found = [ids.decode("ep", endpoint.pk) for endpoint in endpoints]
    return _Step(found, len(found) - len(failures), failures, is_last=len(found) < _ENDPOINTS_AT_ONCE)


def _move(job: BulkJob, found: list[uuid.UUID], now: datetime) -> list[outbox.Moved]:
    if job.action == BulkAction.RETRY:
        return outbox.retry(found, now=now)
    return outbox.cancel(found, note=f"Cancelled by {job.asked_by}.", now=now)


def _lanes(moved: Iterable[outbox.Moved]) -> set[uuid.UUID]:
    return {each.endpoint_id for each in moved}


def _meant(action: BulkAction, filters: Mapping[str, Any], only: Subscriber | None) -> QuerySet[Delivery]:
    found, among = deliveries_where(filters)
    if action == BulkAction.CANCEL:
        among &= Q(status=DeliveryStatus.PENDING)
    elif "status" not in filters:
        # What was cancelled was meant to be.
        found &= Q(status=DeliveryStatus.FAILED)
    if only is not None:
        found &= of_subscriber(only)
    return Delivery.objects.filter(found, among)


def _written(filters: Mapping[str, Any]) -> dict[str, str]:
    """Write filters as JSON: a subscriber by its id, times as texts."""
    return {
        name: value.pk if isinstance(value, Subscriber) else value.isoformat() if isinstance(value, datetime) else value
        for name, value in filters.items()
    }


def _read(filters: Mapping[str, str]) -> dict[str, Any]:
    read: dict[str, Any] = {**filters}
    for name in _TIMES:
        if name in read:
            read[name] = parse_datetime(read[name])
    return read
