"""Whether the parts of the dispatcher work, as the dashboard shows it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from redis import RedisError

from dispatch import heartbeats, lanes, wake
from dispatch.models import Heartbeat

_REDIS_TIMEOUT = 0.5
# Intervals for which a part may not be seen.
_LATE = 4
_ROLES: Mapping[str, tuple[str, str]] = {
    heartbeats.BEAT: ("Beat", "look whether celery beat and a worker of the queue housekeeping run."),
    wake.HOUSEKEEPING: ("Housekeeping worker", "look whether a worker of the queue housekeeping runs."),
    wake.DELIVERIES: ("Deliveries worker", "look whether a worker of the queue deliveries runs."),
    heartbeats.SWEEP: ("Sweep", "look into the log of the workers."),
}


class Sign(NamedTuple):
    """One part, whether it works, and how one knows."""

    part: str
    is_well: bool
    text: str


def signs(now: datetime) -> Iterator[Sign]:
    """Say of each part whether it works."""
    yield _broker()
    yield from _beats(now)


def _broker() -> Sign:
    try:
        waiting = lanes.connect(_REDIS_TIMEOUT).count_waiting()
    except RedisError:
        return Sign("Redis", False, "does not answer: deliveries go on by sweeps alone")
    return Sign("Redis", True, f"answers, {waiting} endpoints wait to be served")


def _beats(now: datetime) -> Iterator[Sign]:
    seen = dict(Heartbeat.objects.filter(role__in=_ROLES).values_list("role", "at"))
    for role, (part, advice) in _ROLES.items():
        if role not in seen:
            yield Sign(part, False, f"has not been seen yet: {advice}")
            continue
        seconds = max(0, round((now - seen[role]).total_seconds()))
        if seconds > _LATE * heartbeats.INTERVAL:
            yield Sign(part, False, f"last seen {seconds} s ago: {advice}")
        else:
            yield Sign(part, True, f"seen {seconds} s ago")
