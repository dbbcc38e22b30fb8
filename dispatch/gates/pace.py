"""A pace that is kept: the generic cell rate algorithm (ITU-T I.371, annex A). Pure: time is passed in.

No window of one period sees more than the limit. 95 % of it are kept to, and each may go earlier than its turn by 3 %
of a period, to make up for looking late. What is left is for the way to the receiver, which not all take equally fast.
"""

import math

_KEPT = 0.95
_EARLY = 0.03
# What rounding may do to a time in seconds.
_ROUNDING = 1e-6


class Pace:
    """At most `limit` in `period` seconds. Times are seconds on any clock that only goes forward.

    It starts with those that may go early, or with `is_empty` when somebody may have sent some just now: then the
    first may go after one interval.
    """

    def __init__(self, limit: float, period: float, *, now: float, is_empty: bool = False) -> None:
        self._set(limit, period)
        # When the next would be due if all kept the same distance. What is earlier than that is a burst.
        self._due_at = now + self._tolerance + self.interval if is_empty else now

    def _set(self, limit: float, period: float) -> None:
        self.limit, self.period = limit, period
        self.interval = period / (_KEPT * limit)
        self._tolerance = _EARLY * period

    def change(self, limit: float, period: float, *, now: float) -> None:
        """Keep another pace from now on. Nobody waits longer for the next than he would after a burst at that pace."""
        if (limit, period) != (self.limit, self.period):
            self._set(limit, period)
            self._due_at = min(self._due_at, now + self._tolerance + self.interval)

    def count(self, now: float) -> int:
        """Say how many may go now."""
        early = now + self._tolerance - max(self._due_at, now) + _ROUNDING
        return math.floor(early / self.interval) + 1 if early >= 0 else 0

    def wait(self, now: float) -> float:
        """Say in how many seconds the next may go."""
        return max(0.0, self._due_at - self._tolerance - now)

    def spend(self, count: int, now: float) -> None:
        """Note that `count` go now."""
        self._due_at = max(self._due_at, now) + count * self.interval

    def hold_back(self, count: int, now: float) -> None:
        """Note that `count` that were to go have not gone yet: they will go now at the earliest."""
        self._due_at = max(self._due_at, now + count * self.interval)

    def owed(self, now: float) -> float:
        """Say for how many seconds what was spent still matters, for `resume`."""
        return max(0.0, self._due_at - now)

    def resume(self, owed: float, now: float) -> None:
        """Go on where another has left off."""
        self._due_at = now + min(owed, self._tolerance + self.interval)
