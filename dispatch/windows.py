"""How many requests an endpoint may have under way in this process. Pure: time is passed in.

A receiver gets as much at a time as it has shown to cope with: one request until it has answered, then a
window that starts small, grows with every success and shrinks to one after a time-out. Endpoints that have
not shown it, or not lately, or that are slow to answer, together hold half of the process at most: whatever
they do, the other half stays with the rest.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

Lane = TypeVar("Lane", bound=Hashable)

_START = 8
_REMEMBERED = 10_000


@dataclass(slots=True)
class _Window:
    size: int = _START
    has_answered: bool = False
    proven: bool = False
    held: int = 0
    # Keys of the requests under way and when they began, the oldest first.
    under_way: OrderedDict[Hashable, float] = field(default_factory=OrderedDict)


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

    def rooms(self, lanes: Iterable[Lane], now: float) -> Mapping[Lane, int]:
        """Say how many more claims each of `lanes` may hold. Lanes without room are left out.

        The first lanes come first: pass those that have waited longest in front.
        """
        left = self.room
        slow = sum(window.held for window in self._busy.values() if self._is_slow(window, now))
        slow_left = max(0, self._slow_budget - slow)
        rooms = {}
        for lane in lanes:
            window = self._window(lane)
            size = window.size if window.has_answered else 1
            room = min(size - window.held, left)
            if self._is_slow(window, now):
                room = min(room, slow_left)
                slow_left -= max(0, room)
            if room > 0:
                rooms[lane] = room
                left -= room
        return rooms

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

    def is_slow(self, lane: Hashable, now: float) -> bool:
        """Say whether `lane` counts as slow: unproven, or with a request that is long under way."""
        return self._is_slow(self._window(lane), now)

    def oldest_start(self, now: float) -> float:
        """Say when the request that is longest under way began, or `now` if there is none."""
        return min((next(iter(window.under_way.values()), now) for window in self._busy.values()), default=now)

    def _is_slow(self, window: _Window, now: float) -> bool:
        if not window.proven:
            return True
        oldest = next(iter(window.under_way.values()), now)
        return now - oldest > self._slow_after

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
