"""An endpoint's own retry schedule: seconds from a failed attempt to the next, one number per retry."""

from typing import Any


class InvalidSchedule(ValueError):
    """What was given is not a retry schedule."""


def check_schedule(given: Any, *, at_most: int, shortest: float, longest: float) -> list[float]:
    """Return `given` if it is a list of delays within these limits. Raises `InvalidSchedule`."""
    if not isinstance(given, list | tuple):
        raise InvalidSchedule("Write a list of seconds, such as [5, 300], an empty one for no retries.")
    if len(given) > at_most:
        raise InvalidSchedule(f"{len(given)} retries are too many: write at most {at_most}.")
    for delay in given:
        if isinstance(delay, bool) or not isinstance(delay, int | float) or not shortest <= delay <= longest:
            raise InvalidSchedule(f"{delay!r} is no delay: write a number of seconds from {shortest:g} to {longest:g}.")
    return list(given)
