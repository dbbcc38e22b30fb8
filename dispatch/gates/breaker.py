"""A circuit breaker for one endpoint. Pure: time and chance are passed in.

closed -> open        (enough of the last attempts failed, or too many connections in a row)
open   -> half open   (after a pause: one attempt may go)
half open -> closed   (it succeeded)
half open -> open     (it failed: the pause doubles, up to the longest)
"""

import enum
from collections import deque
from dataclasses import dataclass

_SLOTS = 10
_JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a breaker opens, and for how long. Times are seconds."""

    failure_rate: float
    minimum: int
    window: float
    connection_failures: int
    pause: float
    pause_max: float


class Move(enum.Enum):
    OPENED = enum.auto()
    CLOSED = enum.auto()


class Breaker:
    """It counts attempts while it is closed; while it is open, only that of the one that tries counts."""

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        # How often in a row it has opened: 0 while it is closed.
        self.pauses = 0
        self.open_until = 0.0
        self._is_trying = False
        # Attempts in a row that got no connection.
        self.unconnected = 0
        # Slots of the window, the oldest first: number of the slot, successes, failures.
        self._slots: deque[list[int]] = deque()

    @property
    def window(self) -> float:
        """For how many seconds an attempt counts."""
        return self._rules.window

    def wait(self, now: float) -> float:
        """Say for how many seconds nothing may go."""
        return max(0.0, self.open_until - now) if self.pauses else 0.0

    def begin(self) -> None:
        """Note that something goes: while it is open, that is the one that tries."""
        if self.pauses:
            self._is_trying = True

    def succeed(self, now: float) -> Move | None:
        """Count an attempt that succeeded."""
        self.unconnected = 0
        if not self.pauses:
            self._slot(now)[1] += 1
            return None
        if not self._is_trying:
            return None
        self.close()
        return Move.CLOSED

    def fail(self, *, is_unconnected: bool, now: float, chance: float) -> Move | None:
        """Count an attempt that failed. `chance` is a random number from 0 to 1, for the jitter of the pause."""
        if self.pauses:
            if not self._is_trying:
                return None
        else:
            self._slot(now)[2] += 1
            self.unconnected = self.unconnected + 1 if is_unconnected else 0
            if not self._is_too_much(now):
                return None
        pause = min(self._rules.pause * 2**self.pauses, self._rules.pause_max)
        self.open(self.pauses + 1, now + pause * (1 + _JITTER * chance))
        return Move.OPENED

    def open(self, pauses: int, until: float) -> None:
        """Let nothing through until then."""
        # More doublings change nothing, and a number that grows for ever does no good.
        self.pauses, self.open_until, self._is_trying = min(pauses, 100), until, False

    def close(self) -> None:
        """Let everything through, and count anew."""
        self.pauses = self.unconnected = 0
        self._is_trying = False
        self._slots.clear()

    def written(self, now: float) -> list[list[float]] | None:
        """Write down what was counted, if it may matter to the next: the age of each slot, successes, failures."""
        self._forget(now)
        successes, failures = self._counts()
        if not failures and successes < self._rules.minimum:
            return None
        return [[now - number * self._width, good, bad] for number, good, bad in self._slots]

    def resume(self, written: list[list[float]], now: float) -> None:
        """Go on where another has left off."""
        for age, good, bad in written:
            slot = [int((now - age) // self._width), int(good), int(bad)]
            if not self._slots or self._slots[-1][0] < slot[0]:
                self._slots.append(slot)
            else:
                self._slots[-1][1] += slot[1]
                self._slots[-1][2] += slot[2]

    @property
    def _width(self) -> float:
        return self._rules.window / _SLOTS

    def _slot(self, now: float) -> list[int]:
        number = int(now // self._width)
        if not self._slots or self._slots[-1][0] < number:
            self._forget(now)
            self._slots.append([number, 0, 0])
        return self._slots[-1]

    def _forget(self, now: float) -> None:
        oldest = int(now // self._width) - _SLOTS
        while self._slots and self._slots[0][0] <= oldest:
            self._slots.popleft()

    def _counts(self) -> tuple[int, int]:
        return sum(slot[1] for slot in self._slots), sum(slot[2] for slot in self._slots)

    def _is_too_much(self, now: float) -> bool:
        if self.unconnected >= self._rules.connection_failures:
            return True
        self._forget(now)
        successes, failures = self._counts()
        total = successes + failures
        return total >= self._rules.minimum and failures >= self._rules.failure_rate * total
