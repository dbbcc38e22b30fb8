"""Whether the parts of the dispatcher work, as the dashboard shows it."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from redis import RedisError

from dispatch import lanes
from dispatch.models import RollupState

_REDIS_TIMEOUT = 0.5
# Intervals that a periodic task may stay away.
_LATE = 4


class Sign(NamedTuple):
    """One part, whether it works, and how one knows."""

    part: str
    is_well: bool
    text: str


def signs(now: datetime) -> Iterator[Sign]:
    """Say of each part whether it works."""
    yield _broker()
    yield _housekeeping(now)


def _broker() -> Sign:
    try:
        waiting = lanes.connect(_REDIS_TIMEOUT).count_waiting()
    except RedisError:
        return Sign("Redis", False, "does not answer: deliveries go on by sweeps alone")
    return Sign("Redis", True, f"answers, {waiting} endpoints wait to be served")


def _housekeeping(now: datetime) -> Sign:
    counted_until = RollupState.objects.values_list("counted_until", flat=True).first()
    part = "Beat and housekeeping"
    if counted_until is None:
        return Sign(part, False, "have not run yet: start celery beat and a worker of the queue housekeeping")
    seconds = max(0, round((now - counted_until).total_seconds()))
    if seconds > _LATE * settings.WEBHOOKS.rollup_interval:
        return Sign(part, False, f"last ran {seconds} s ago: look whether beat and the housekeeping worker run")
    return Sign(part, True, f"ran {seconds} s ago")
