"""What an endpoint's flow control and health say, as a pump needs them. Pure."""

from datetime import datetime
from typing import NamedTuple

from dispatch.gates import Limits


class Slowed(NamedTuple):
    """An endpoint gets less: `rate` instead of `full` requests a second `at` a time, and then more, step by step."""

    full: float
    rate: float
    at: datetime


class Trouble(NamedTuple):
    """What goes wrong at an endpoint, as the database knows it."""

    is_failing: bool
    pauses: int
    closed_until: datetime | None
    slowed: Slowed | None = None


class Flow(NamedTuple):
    """What sets an endpoint apart: limits, order, trouble. Most have none of this."""

    limits: Limits = Limits()
    is_ordered: bool = False
    # In an ordered endpoint: whether others go past one that failed for good.
    skips_failed: bool = False
    # New events don't go before a backlog.
    is_oldest_first: bool = False
    trouble: Trouble | None = None
