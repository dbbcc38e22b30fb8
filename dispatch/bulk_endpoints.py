"""Which endpoints a bulk job means, and moving them: what `dispatch.bulk` does in a step of such a job."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from dispatch.selection import made_between
from subscriptions.models import Endpoint
from subscriptions.models.audit import Actor
from subscriptions.models.endpoint_moves import Move, WrongState, states_for


class Failure(NamedTuple):
    """An endpoint that could not be moved, and why."""

    endpoint: str
    reason: str


def endpoints_where(filters: Mapping[str, Any]) -> Q:
    """Select endpoints by `subscriber`, `created_after` and `endpoints`, a list of ids."""
    wanted = made_between("ep", filters.get("created_after"), None)
    if (subscriber := filters.get("subscriber")) is not None:
        wanted &= Q(subscriber=subscriber)
    if (chosen := filters.get("endpoints")) is not None:
        wanted &= Q(pk__in=chosen)
    return wanted


def meant(move: Move, filters: Mapping[str, Any], *, since: datetime | None = None) -> QuerySet[Endpoint]:
    """Select those of the filters, `state` among them, that can be moved like this.

    With `since`, also those whose state was changed after that, so that it is said of each why it was not moved.
    """
    fitting = Q(state__in=states_for(move))
    if "state" in filters:
        fitting &= Q(state=filters["state"])
    if since is not None:
        fitting |= Q(state_changed_at__gt=since)
    return Endpoint.objects.filter(endpoints_where(filters), fitting)


def count_others(move: Move, filters: Mapping[str, Any]) -> dict[str, int]:
    """Count, by state, the endpoints that the filters name but that cannot be moved like this."""
    others = Endpoint.objects.filter(endpoints_where(filters)).exclude(state__in=states_for(move))
    if "state" in filters:
        others = others.filter(state=filters["state"])
    return dict(others.values_list("state").annotate(Count("pk")).order_by("state"))


def move_all(endpoints: Iterable[Endpoint], move: Move, *, now: datetime, by: Actor) -> list[Failure]:
    """Move each, and return those that could not be. One that cannot be moved stands in nobody's way."""
    failures = []
    for endpoint in endpoints:
        try:
            with transaction.atomic():
                endpoint.move(move, now=now, by=by)
        except WrongState as error:
            failures.append(Failure(endpoint.pk, str(error)))
        except Endpoint.DoesNotExist:
            failures.append(Failure(endpoint.pk, "It was deleted meanwhile."))
    return failures
