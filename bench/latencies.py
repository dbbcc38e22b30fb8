"""How long deliveries took, from the commit of their event to the commit of their outcome."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from dispatch.models import Delivery, Event

_BY_COMMITS = f"""
SELECT extract(epoch FROM pg_xact_commit_timestamp(delivery.xmin) - pg_xact_commit_timestamp(event.xmin)) * 1000
FROM {Delivery._meta.db_table} delivery JOIN {Event._meta.db_table} event ON event.id = delivery.event_id
WHERE delivery.id = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds, and between which moments: `commit` to commit, or by the `clock` of the product's own rows."""

    between: str
    milliseconds: Sequence[float]

    def figures(self) -> Mapping[str, float | str | None]:
        """Return the figures of a row of the results."""
        return {f"p{percent}_ms": self.percentile(percent) for percent in (50, 95, 99)} | {"latency": self.between}

    def percentile(self, percent: int) -> float | None:
        """Return the nearest-rank percentile, or None if there is nothing."""
        ordered = sorted(self.milliseconds)
        return round(ordered[math.ceil(percent / 100 * len(ordered)) - 1], 2) if ordered else None


def of(deliveries: "QuerySet[Delivery]") -> Latencies:
    """Look at `deliveries`. Those that wait still count with how long they have.

    PostgreSQL tells when transactions committed if `track_commit_timestamp` is on. Otherwise the clock of the
    publisher and of the worker must do: `created_at` of the event and `finished_at` of the delivery, which are
    read a moment before each commit.
    """
    delivered = deliveries.filter(status="delivered")
    now = timezone.now()
    begun = deliveries.filter(finished_at__isnull=True).values_list("event__created_at", flat=True)
    waiting = [(now - created).total_seconds() * 1000 for created in begun]
    if _knows_commits():
        ids = [Delivery._meta.pk.get_prep_value(pk) for pk in delivered.values_list("pk", flat=True)]
        with connection.cursor() as cursor:
            cursor.execute(_BY_COMMITS, [ids])
            return Latencies("commit", [*waiting, *(float(row[0]) for row in cursor.fetchall())])
    times = delivered.values_list("event__created_at", "finished_at")
    done = [(finished - created).total_seconds() * 1000 for created, finished in times]
    return Latencies("clock", [*waiting, *done])


def _knows_commits() -> bool:
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW track_commit_timestamp")
        return bool(cursor.fetchone()[0] == "on")
