"""Telling that what is due is not sent in time, and that it gets worse."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from dispatch import outbox, telling
from dispatch.models import Watch
from dispatch.outbox import PendingLane
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState
from subscriptions.notices import Happened, NoticeKind

# Endpoints that an event names; it counts the others.
NAMED = 10
_CAUSE = "behind"
_WATCH = "backlog"
_FIRST = uuid.UUID(int=0)


@transaction.atomic
def tell_of_backlog(now: datetime) -> None:
    """Tell if something has been due for too long, and for longer than at the last look.

    While that lasts it is told again only after `WEBHOOKS_TELL_AGAIN`.
    """
    watch = Watch.objects.hold(_WATCH)
    behind = sorted(_behind(now, now - timedelta(seconds=settings.WEBHOOKS.backlog_age)))
    if not behind:
        watch.note()
        return
    age = (now - behind[0][0]).total_seconds()
    told_at = watch.noted.get("told_at", 0.0)
    is_growing = age > watch.noted.get("age", age)
    if is_growing and now.timestamp() - told_at >= settings.WEBHOOKS.tell_again:
        telling.tell(_happened(behind, age, now))
        told_at = now.timestamp()
    watch.note(age=age, told_at=told_at)


def _behind(now: datetime, latest: datetime) -> Iterator[tuple[datetime, uuid.UUID]]:
    """Say for which endpoints something has been due since before `latest` that nothing but us keeps waiting."""
    for lanes_beyond in (outbox.pending_lanes, outbox.lined_lanes):
        lanes: Sequence[PendingLane] = lanes_beyond(_FIRST)
        while lanes:
            for lane in lanes:
                is_open = lane.state is EndpointState.ACTIVE and (lane.closed_until is None or lane.closed_until <= now)
                if is_open and lane.next_due is not None and lane.next_due < latest:
                    yield lane.next_due, lane.endpoint_id
            lanes = lanes_beyond(lanes[-1].endpoint_id)


def _happened(behind: Sequence[tuple[datetime, uuid.UUID]], age: float, now: datetime) -> Happened:
    facts: dict[str, Any] = {
        "oldest_due_at": behind[0][0],
        "oldest_age_seconds": round(age),
        "endpoints_behind": len(behind),
        "endpoints": [{"id": ids.encode("ep", endpoint_id), "due_at": due} for due, endpoint_id in behind[:NAMED]],
    }
    reason = f"The oldest delivery that is due has waited for {age / 60:.0f} minutes, and longer than before."
    is_own = not _are_others_behind([endpoint_id for _, endpoint_id in behind])
    return Happened(NoticeKind.BACKLOG_GROWING, _CAUSE, reason, now, facts=facts, is_of_operators=is_own)


def _are_others_behind(endpoint_ids: Sequence[uuid.UUID]) -> bool:
    """Say whether any of the endpoints is not of operators."""
    own = Endpoint.with_deleted.filter(subscriber__is_operator=True).values_list("pk", flat=True)
    return not set(endpoint_ids) <= {ids.decode("ep", pk) for pk in own}
