"""Slower after a receiver has said that it is overloaded, and step by step back. Pure: time is passed in."""

# However often it is halved, this part of the full rate is left.
_LOWEST = 1 / 64
_STEP = 0.1


class Throttle:
    """A rate per second that is halved at each signal, and gets a tenth of the full rate back every `step` seconds.

    There is none (`rate` is None) before the first signal, and after the last step.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._full = self._slowed = 0.0
        self._slowed_at: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether there is a rate, or was one when it was asked for last."""
        return self._slowed_at is not None

    def rate(self, now: float) -> float | None:
        """Say how many may go in a second, or None where nothing is slowed down."""
        if self._slowed_at is None:
            return None
        steps = max(0.0, (now - self._slowed_at) // self._step)
        rate = self._slowed + steps * _STEP * self._full
        if rate >= self._full:
            self._slowed_at = None
            return None
        return rate

    def slow_down(self, *, to_half_of: float, began_at: float, now: float) -> None:
        """Halve the rate, which is `to_half_of` if there is none yet. `now` may be ahead, where nothing goes before.

        What `began_at` a time before the last halving says nothing new: those requests left at the old rate.
        """
        rate = self.rate(now)
        if rate is None:
            self._full = rate = to_half_of
        elif self._slowed_at is not None and began_at < self._slowed_at:
            return
        self._slowed = max(rate / 2, _LOWEST * self._full)
        self._slowed_at = now

    def lasts(self, now: float) -> float:
        """Say in how many seconds it will be over."""
        rate = self.rate(now)
        if rate is None or self._slowed_at is None:
            return 0.0
        steps = (self._full - self._slowed) / (_STEP * self._full) + 1
        return steps * self._step + self._slowed_at - now

    def clear(self) -> None:
        """Slow nothing down any more."""
        self._slowed_at = None

    def written(self, now: float) -> list[float] | None:
        """Write down where it stands, for `resume`."""
        if self.rate(now) is None or self._slowed_at is None:
            return None
        return [self._full, self._slowed, now - self._slowed_at]

    def resume(self, written: list[float], now: float) -> None:
        """Go on where another has left off."""
        self._full, self._slowed, age = written
        self._slowed_at = now - age
