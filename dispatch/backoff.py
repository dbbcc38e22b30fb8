"""When a failed delivery is tried again. Pure: the random part is passed in."""

from collections.abc import Sequence


def delay_before_retry(
    attempts: int,
    *,
    schedule: Sequence[float],
    jitter: float,
    chance: float,
    retry_after: float | None = None,
    retry_after_max: float,
) -> float | None:
    """Say how many seconds to wait after the `attempts`-th attempt failed, or None if it was the last.

    `chance` is a random number from 0 to 1 and `jitter` the part of the delay that it stretches.
    `retry_after` is what the receiver asked for in seconds: a floor, no longer than `retry_after_max`,
    which the jitter comes on top of, so that deliveries that were refused together don't return together.

    >>> delay_before_retry(2, schedule=[5, 300], jitter=0.1, chance=0.5, retry_after_max=86400)
    315.0
    >>> delay_before_retry(1, schedule=[5, 300], jitter=0.1, chance=0.5, retry_after=100, retry_after_max=86400)
    105.0
    >>> delay_before_retry(3, schedule=[5, 300], jitter=0.1, chance=0.5, retry_after_max=86400) is None
    True
    """
    if attempts > len(schedule):
        return None
    delay = schedule[attempts - 1]
    if retry_after is not None:
        delay = max(delay, min(retry_after, retry_after_max))
    return delay * (1 + jitter * chance)
