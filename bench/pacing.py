"""Measuring how long deliveries take while events are published at a steady pace."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet

from bench import latencies, publishing
from bench.latencies import Latencies
from bench.seeding import World
from bench.workers import Workers
from dispatch.models import Delivery

_POLL_SECONDS = 0.1
# Longer than a request may take.
_SETTLE_SECONDS = 25.0
# A publisher that cannot keep the pace ends after so many times the time that it should take.
_LATE = 1.5
# The part of the wanted pace below which it was not kept.
_KEPT_UP = 0.9


@dataclass(frozen=True, slots=True)
class Paced:
    """What was seen after a warm-up.

    `published` counts deliveries, those of the warm-up too. `wanted` and `offered` are deliveries per second.
    """

    latencies: Latencies
    published: int
    wanted: float
    offered: float
    unfinished: int

    def figures(self) -> Mapping[str, Any]:
        """Return the figures of a row of the results."""
        return {**self.latencies.figures(), "offered_per_s": self.offered, "unfinished": self.unfinished}

    def notes(self) -> Sequence[str]:
        """Say what keeps the figures from meaning what they seem to."""
        notes = []
        if self.offered < _KEPT_UP * self.wanted:
            notes.append(f"only {self.offered:,.0f}/s published: one process publishes no faster")
        if self.unfinished:
            notes.append(f"{self.unfinished:,} published were not done")
        return notes


def pace(
    workers: Workers,
    world: World,
    *,
    per_second: float,
    seconds: float,
    warm_up: float = 2.0,
    jitter: float = 0.0,
    publish: str = publishing.PRODUCT,
    groups: range | None = None,
    judged: str = "/",
) -> Paced:
    """Publish so many deliveries per second, one event at a time, and see how long they take.

    Events go to `groups` in turn, all of them unless told. A part `jitter` of the time between two is random. Only
    endpoints whose URL contains `judged` are looked at, and only events published after the first `warm_up` seconds.
    """
    events_per_second = per_second / world.fan_out
    count = max(1, round(events_per_second * (warm_up + seconds)))
    lab = workers.installation.lab

    def look() -> None:
        workers.check()
        lab.show(f"publishing {events_per_second:,.0f} events/s")

    published = publishing.publish(
        lab.directory / "log",
        groups or range(world.groups),
        count=count,
        seconds=_LATE * (warm_up + seconds),
        per_second=events_per_second,
        jitter=jitter,
        by=publish,
        meanwhile=look,
    )
    warm = published.first_at + warm_up
    deliveries = Delivery.objects.filter(
        event__created_at__gte=_time(warm), event__created_at__lte=_time(published.last_at)
    )
    judged_ones = deliveries.filter(endpoint__url__contains=judged)
    _settle(judged_ones)
    span = max(published.last_at - warm, 1e-9)
    return Paced(
        latencies.of(judged_ones),
        published.events * world.fan_out,
        per_second,
        deliveries.count() / span,
        _unfinished(judged_ones).count(),
    )


def _settle(deliveries: "QuerySet[Delivery]") -> None:
    """Wait until all are done that will be soon."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while _unfinished(deliveries).exists() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _unfinished(deliveries: "QuerySet[Delivery]") -> "QuerySet[Delivery]":
    return deliveries.filter(finished_at__isnull=True)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
