"""Telling of deliveries that have failed for good, gathered by endpoint.

Whoever sends does nothing for it: what has failed is found in the log, and marked in the transaction that tells of it.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from dispatch import outbox, telling
from dispatch.models import Delivery, Watch
from dispatch.outbox import Untold
from subscriptions import ids
from subscriptions.notices import Happened, NoticeKind

# In one transaction, and so at most in one event.
AT_ONCE = 5000
# Deliveries that an event names; it counts the others.
NAMED = 10
_CAUSE = "failed"
_WATCH = "exhausted"


def tell_of_exhausted(now: datetime) -> int:
    """Tell of all that has failed since the last time. Say how many deliveries those were."""
    count = 0
    while (taken := _tell_of_some(now)) > 0:
        count += taken
    return count


@transaction.atomic
def _tell_of_some(now: datetime) -> int:
    # One after the other: two would take the same.
    Watch.objects.hold(_WATCH)
    by_endpoint: dict[uuid.UUID, list[Untold]] = defaultdict(list)
    for each in outbox.take_untold(AT_ONCE):
        by_endpoint[each.endpoint_id].append(each)
    for endpoint_id, failed in by_endpoint.items():
        telling.tell(_happened(ids.encode("ep", endpoint_id), failed, now))
    return sum(map(len, by_endpoint.values()))


def _happened(endpoint_id: str, failed: Sequence[Untold], now: datetime) -> Happened:
    count = len(failed)
    return Happened(
        NoticeKind.DELIVERY_EXHAUSTED,
        _CAUSE,
        "A delivery has failed for good." if count == 1 else f"{count} deliveries have failed for good.",
        now,
        endpoint_id,
        {
            "count": count,
            "outcomes": Counter(each.outcome for each in failed),
            "first_at": min(each.failed_at for each in failed),
            "last_at": max(each.failed_at for each in failed),
            "deliveries": _named(failed[:NAMED]),
        },
    )


def _named(failed: Sequence[Untold]) -> list[dict[str, Any]]:
    wanted = [ids.encode("dlv", each.delivery_id) for each in failed]
    found = Delivery.objects.filter(pk__in=wanted).order_by("pk")
    return [
        {
            "id": pk,
            "event": event,
            "event_type": event_type,
            "attempts": attempts,
            "outcome": outcome,
            "status_code": code,
        }
        for pk, event, event_type, attempts, outcome, code in found.values_list(
            "pk", "event_id", "event__type", "attempt_count", "last_outcome", "last_status_code"
        )
    ]
