"""The gate of a lane: all its reasons to wait in one. Pure: time and chance are passed in.

Each reason says how many may go and, if none, for how long; the gate lets through what all of them allow. Whoever
serves the lane keeps the gate, and writes it down for the next when he gives the lane back.
"""

import enum
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from dispatch.gates.breaker import Breaker, BreakerRules, Move
from dispatch.gates.pace import Pace
from dispatch.gates.throttle import Throttle

# A gate that waits for what is not in time, such as the end of a request, is looked at this often.
_LOOK_SECONDS = 0.05
UNLIMITED = 2**31 - 1
# Requests in a second that nobody is slowed down from for having got fewer: one who gets little may bear much.
_BEARABLE = 10.0


class Why(enum.StrEnum):
    """Why a lane waits."""

    BREAKER = "breaker"
    RETRY_AFTER = "retry_after"
    RATE_LIMIT = "rate_limit"
    THROTTLED = "throttled"
    IN_FLIGHT = "in_flight"
    TAKEOVER = "takeover"


class Limits(NamedTuple):
    """What an endpoint may get: `rate` in `period` seconds, and `in_flight` at a time. None is without limit."""

    rate: int | None = None
    period: int = 1
    in_flight: int | None = None


class Opening(NamedTuple):
    """How many may go now. If none, in how many seconds to look again, and why.

    With `until_end` it is worth a look as soon as one that has gone ends, or leaves.
    """

    room: int
    wait: float = 0.0
    why: Why | None = None
    until_end: bool = False


class Signal(NamedTuple):
    """What an attempt says about its endpoint. `began_at` is on the gate's clock."""

    is_success: bool
    is_unconnected: bool = False
    slows: bool = False
    retry_after: float | None = None
    began_at: float = 0.0
    # Whether it says that the receiver does not work.
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """What is set for all gates."""

    breaker: BreakerRules
    throttle_step: float


class Gate:
    """The gate of one lane. `empty_until` is when whoever had the lane before has certainly stopped, if that is not
    known: until then a limited endpoint gets nothing, and from then on its rate starts without a burst.
    """

    def __init__(self, rules: Rules, *, empty_until: float | None = None) -> None:
        self.breaker = Breaker(rules.breaker)
        self.throttle = Throttle(rules.throttle_step)
        self.held_until = 0.0
        self._pace: Pace | None = None
        self.empty_until = empty_until
        # What others had under way when the lane was taken over from them: None where that has surely ended.
        self.elsewhere: int | None = None if empty_until is None else UNLIMITED
        self._owed: float | None = None
        # How many attempts ended in this second, and in the one before.
        self._second, self._ended, self._ended_before = 0.0, 0, 0

    @property
    def is_quiet(self) -> bool:
        """Whether nothing went wrong lately: then only limits can be a reason to wait."""
        return not self.breaker.pauses and not self.throttle.is_on and not self.held_until

    def opening(self, limits: Limits, *, held: int, unsent: int, now: float) -> Opening:
        """Say how many more may go now.

        `held` are those that have gone and not ended, with the `unsent` of them that wait for a free slot.
        """
        if wait := max(self.breaker.wait(now), self.held_until - now, 0.0):
            return Opening(0, wait, Why.BREAKER if self.breaker.wait(now) >= wait else Why.RETRY_AFTER)
        self.held_until = 0.0
        count = UNLIMITED
        if self.breaker.pauses:
            count = 1 - held - (self.elsewhere or 0)
            if count <= 0:
                return Opening(0, _LOOK_SECONDS, Why.BREAKER, until_end=True)
        if self.empty_until is not None and now < self.empty_until and limits != Limits(period=limits.period):
            return Opening(0, self.empty_until - now, Why.TAKEOVER)
        if limits.in_flight is not None:
            count = min(count, limits.in_flight - held - (self.elsewhere or 0))
            if count <= 0:
                return Opening(0, _LOOK_SECONDS, Why.IN_FLIGHT, until_end=True)
        pace = self._keep_pace(limits, now)
        if pace is None:
            return Opening(count)
        why = Why.RATE_LIMIT if self.throttle.rate(now) is None else Why.THROTTLED
        if unsent:
            pace.hold_back(unsent, now)
            return Opening(0, _LOOK_SECONDS, why, until_end=True)
        paced = pace.count(now)
        return Opening(min(count, paced)) if paced else Opening(0, pace.wait(now), why)

    def spend(self, count: int, now: float) -> None:
        """Note that so many go."""
        if count:
            self.breaker.begin()
            if self._pace is not None:
                self._pace.spend(count, now)

    def note(self, signal: Signal, *, limits: Limits, now: float, chance: float) -> Move | None:
        """Note what an attempt says. Return what it does to the breaker."""
        if now - self._second >= 1:
            self._ended_before = self._ended if now - self._second < 2 else 0
            self._second, self._ended = now, 0
        self._ended += 1
        if signal.is_success:
            return self.breaker.succeed(now)
        if signal.retry_after is not None:
            self.held_until = max(self.held_until, now + signal.retry_after)
        if signal.slows:
            rate = max(_BEARABLE, self._ended, self._ended_before)
            if limits.rate is not None:
                rate = min(rate, limits.rate / limits.period)
            at = max(now, self.held_until)
            self.throttle.slow_down(to_half_of=rate, began_at=signal.began_at, now=at)
            self._keep_pace(limits, now)
        if not signal.counts:
            # It works: if the breaker was open, it may close.
            return self.breaker.succeed(now) if self.breaker.pauses else None
        return self.breaker.fail(is_unconnected=signal.is_unconnected, now=now, chance=chance)

    def forgive(self) -> None:
        """Forget whatever went wrong: somebody has made the endpoint active anew."""
        self.breaker.close()
        self.throttle.clear()
        self.held_until = 0.0

    def written(self, now: float) -> str:
        """Write down where it stands, for `resume`. Empty if that is as good as nothing."""
        pace = self._pace
        is_doubtful = self.empty_until is not None and (self.empty_until > now or self.elsewhere is not None)
        written = {
            "breaker": [self.breaker.pauses, self.breaker.wait(now)] if self.breaker.pauses else None,
            "counts": self.breaker.written(now),
            "unconnected": self.breaker.unconnected or None,
            "throttle": self.throttle.written(now),
            "held": self.held_until - now if self.held_until > now else None,
            "owed": (pace.owed(now) or None) if pace else self._owed,
            "doubt": max(0.0, self.empty_until - now) if is_doubtful and self.empty_until else None,
        }
        kept = {name: value for name, value in written.items() if value is not None}
        return json.dumps(kept, separators=(",", ":")) if kept else ""

    def lasts(self, now: float) -> float:
        """Say for how many seconds what is written down may matter."""
        pace = self._pace.owed(now) if self._pace else 0.0
        held = max(self.held_until, self.empty_until or 0.0) - now
        return max(self.breaker.window, self.breaker.wait(now), self.throttle.lasts(now), pace, held)

    def resume(self, text: str, *, age: float, now: float) -> None:
        """Go on where another has left off, `age` seconds ago."""
        written: dict[str, Any] = json.loads(text)
        then = now - age
        if breaker := written.get("breaker"):
            self.breaker.open(int(breaker[0]), then + breaker[1])
        if counts := written.get("counts"):
            self.breaker.resume(counts, then)
        self.breaker.unconnected = int(written.get("unconnected", 0))
        if throttle := written.get("throttle"):
            self.throttle.resume(throttle, then)
        self.held_until = then + float(written["held"]) if "held" in written else 0.0
        if "owed" in written or "doubt" not in written:
            self._owed = max(0.0, written.get("owed", 0.0) - age)
        if "doubt" in written:
            self.empty_until, self.elsewhere = float(then + written["doubt"]), UNLIMITED

    def _keep_pace(self, limits: Limits, now: float) -> Pace | None:
        period = float(limits.period)
        throttled = self.throttle.rate(now)
        # In the endpoint's own unit.
        limit = limits.rate if throttled is None else throttled * period
        if limit is None:
            self._pace = None
        elif self._pace is None:
            is_empty = self.empty_until is not None or throttled is not None
            self._pace = Pace(limit, period, now=now, is_empty=is_empty)
            if self._owed is not None:
                self._pace.resume(self._owed, now)
                self._owed = None
        else:
            self._pace.change(limit, period, now=now)
        return self._pace
