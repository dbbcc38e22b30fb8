"""Which deliveries are meant: the filters that lists and bulk jobs share."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from subscriptions import ids
from subscriptions.models import Endpoint, Subscriber

_UUID_TIME_SHIFT = 80


def first_id(prefix: str, moment: datetime) -> str:
    """Return the smallest id that is made at `moment`, to the millisecond."""
    milliseconds = int(moment.timestamp() * 1000)
    return ids.encode(prefix, uuid.UUID(int=max(0, min(milliseconds, 2**48 - 1)) << _UUID_TIME_SHIFT))


def made_between(prefix: str, after: datetime | None, before: datetime | None) -> Q:
    """Select by the time in the ids: made at `after` or later, and before `before`."""
    wanted = Q()
    if after is not None:
        wanted &= Q(pk__gte=first_id(prefix, after))
    if before is not None:
        wanted &= Q(pk__lt=first_id(prefix, before))
    return wanted


def endpoints_of(subscriber: Subscriber | str) -> list[str]:
    """List a subscriber's endpoints. Within one statement the planner could not know how many deliveries they have."""
    return list(Endpoint.with_deleted.filter(subscriber=subscriber).values_list("pk", flat=True))


def of_subscriber(subscriber: Subscriber | str) -> Q:
    """Select a subscriber's deliveries."""
    return Q(endpoint__in=endpoints_of(subscriber))


def deliveries_where(filters: Mapping[str, Any]) -> tuple[Q, Q]:
    """Turn the filters of deliveries into what an index finds, and what is looked for among that."""
    found, among = made_between("dlv", filters.get("created_after"), filters.get("created_before")), Q()
    if (subscriber := filters.get("subscriber")) is not None:
        found &= of_subscriber(subscriber)
    for name in ("endpoint", "event"):
        if name in filters:
            found &= Q(**{name: filters[name]})
    if "status" in filters:
        status = Q(status=filters["status"])
        # These have an index of their own.
        if filters["status"] in {"failed", "cancelled"}:
            found &= status
        else:
            among &= status
    if "outcome" in filters:
        among &= Q(last_outcome=filters["outcome"])
    if "response_class" in filters:
        first = int(filters["response_class"][0]) * 100
        among &= Q(last_status_code__gte=first, last_status_code__lt=first + 100)
    if "event_type" in filters:
        among &= Q(event__type=filters["event_type"])
    return found, among
