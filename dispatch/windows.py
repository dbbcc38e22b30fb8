"""How many requests an endpoint may have under way in this process. Pure: time is passed in.

A receiver gets as much at a time as it has shown to cope with: one request until it has answered, then a
window that starts small, grows with every success and shrinks to one after a time-out. Endpoints that have
not shown it, or not lately, or that are slow to answer, together hold half of the process at most: whatever
they do, the other half stays with the rest.
"""

import enum
from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

Lane = TypeVar("Lane", bound=Hashable)

_START = 8
# A share is not worth a look into the database if it is smaller than this.
_SHARE = 4
# Nor is it worth looking at more lanes than this, where they have enough.
_LANES_AT_ONCE = 20
_REMEMBERED = 10_000


class _Kind(enum.Enum):
    """What can be expected of a lane."""

    NEW = enum.auto()
    SLOW = enum.auto()
    QUICK = enum.auto()


@dataclass(slots=True)
class _Window:
    size: int = _START
    has_answered: bool = False
    proven: bool = False
    held: int = 0
    # Keys of the requests under way and when they began, the oldest first.
    under_way: dict[Hashable, float] = field(default_factory=dict)


class Windows:
    """The windows of the lanes that a process serves.

    `capacity` is how many claims the process holds at a time, `slow_budget` how many of them slow lanes hold
    together, `largest` how far a window grows, and `slow_after` after how many seconds under way a request
    marks its lane as slow.
    """

    def __init__(self, *, capacity: int, slow_budget: int, largest: int, slow_after: float) -> None:
        self._capacity = capacity
        self._slow_budget = slow_budget
        self._largest = largest
        self._slow_after = slow_after
        self._windows: OrderedDict[Hashable, _Window] = OrderedDict()
        self._busy: dict[Hashable, _Window] = {}
        self.held = 0

    @property
    def room(self) -> int:
        """How many more claims the process can hold."""
        return max(0, self._capacity - self.held)

    def rooms(self, lanes: Collection[Lane], now: float) -> Mapping[Lane, int]:
        """Say how many more claims each of `lanes` may hold. Lanes without room are left out.

        The room is shared out evenly; of what is too small to be shared, the first lanes have most. Pass those
        that have waited longest in front.
        """
        budgets = {_Kind.NEW: self._capacity // 2, _Kind.SLOW: self._slow_budget}
        for window in self._busy.values():
            kind = self._kind(window, now)
            if kind in budgets:
                budgets[kind] -= window.held
        wanted = {}
        for lane in lanes:
            window = self._window(lane)
            kind = self._kind(window, now)
            room = (window.size if kind is not _Kind.NEW else 1) - window.held
            if kind in budgets:
                room = min(room, budgets[kind])
            if room > 0:
                wanted[lane] = room
                if kind in budgets:
                    budgets[kind] -= room
        return _shared_out(wanted, self.room)

    def hold(self, lane: Hashable) -> None:
        """Count a claim of `lane`."""
        window = self._window(lane)
        window.held += 1
        self._busy[lane] = window
        self.held += 1

    def begin(self, lane: Hashable, key: Hashable, now: float) -> None:
        """Note that the request `key` has left."""
        self._window(lane).under_way[key] = now

    def end(self, lane: Hashable, key: Hashable) -> None:
        """Note that a claim has ended, with or without a request."""
        window = self._window(lane)
        window.under_way.pop(key, None)
        window.held -= 1
        self.held -= 1
        if window.held == 0:
            del self._busy[lane]

    def grow(self, lane: Hashable, took: float) -> None:
        """Give `lane` one more request at a time, after a success. It is proven if that `took` few enough seconds."""
        window = self._window(lane)
        window.size = min(window.size + 1, self._largest)
        window.has_answered = True
        window.proven = took <= self._slow_after

    def halve(self, lane: Hashable) -> None:
        """Give `lane` half as much at a time, after it said that it is overloaded."""
        window = self._window(lane)
        window.size = max(1, window.size // 2)
        window.has_answered = True

    def collapse(self, lane: Hashable) -> None:
        """Give `lane` one request at a time, after a time-out."""
        window = self._window(lane)
        window.size = 1
        window.proven = False
        window.has_answered = True

    def held_by(self, lane: Hashable) -> int:
        """Count the claims of `lane`."""
        window = self._busy.get(lane)
        return window.held if window else 0

    def unsent_by(self, lane: Hashable) -> int:
        """Count the claims of `lane` whose request has not left."""
        window = self._busy.get(lane)
        return window.held - len(window.under_way) if window else 0

    def is_slow(self, lane: Hashable, now: float) -> bool:
        """Say whether `lane` counts as slow: unproven, or with a request that is long under way."""
        return self._kind(self._window(lane), now) is not _Kind.QUICK

    def is_any_slow(self, now: float) -> bool:
        """Say whether a lane that holds claims counts as slow."""
        return any(self._kind(window, now) is not _Kind.QUICK for window in self._busy.values())

    def _kind(self, window: _Window, now: float) -> _Kind:
        if not window.has_answered:
            return _Kind.NEW
        oldest = next(iter(window.under_way.values()), now)
        return _Kind.QUICK if window.proven and now - oldest <= self._slow_after else _Kind.SLOW

    def _window(self, lane: Hashable) -> _Window:
        window = self._windows.get(lane)
        if window is None:
            window = self._windows[lane] = _Window(size=min(_START, self._largest))
            self._forget_idle()
        return window

    def _forget_idle(self) -> None:
        """Forget the window that was made first, if there are too many and it is idle."""
        if len(self._windows) > _REMEMBERED:
            lane, window = self._windows.popitem(last=False)
            if window.held:
                self._windows[lane] = window


def _shared_out(wanted: Mapping[Lane, int], left: int) -> Mapping[Lane, int]:
    """Give each lane what it wants or its share, and then what is left to those that want more."""
    share = max(_SHARE, left // _LANES_AT_ONCE, left // max(1, len(wanted)))
    shares: dict[Lane, int] = {}
    for at_most in (share, left):
        for lane, room in wanted.items():
            if not left:
                return shares
            has = shares.get(lane, 0)
            more = min(room, at_most, has + left) - has
            if more > 0:
                shares[lane] = has + more
                left -= more
    return shares
