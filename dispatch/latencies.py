"""Durations as counts in fixed classes, which can be added up, and from which percentiles are read. Pure."""

from collections.abc import Sequence

# Milliseconds up to which each class reaches, and one class for all that is more.
BOUNDS = (5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240)
CLASSES = len(BOUNDS) + 1


def percentile(counts: Sequence[int], part: float) -> float | None:
    """Estimate how many milliseconds that part of the durations stay below. None without durations.

    Within a class durations are taken as spread evenly. What is more than the last bound is said to be that bound.

    >>> percentile([0, 0, 10, *[0] * 10], 0.5)
    15.0
    >>> percentile([0] * 13, 0.5) is None
    True
    >>> percentile([0] * 12 + [3], 0.95)
    10240.0
    """
    total = sum(counts)
    if not total:
        return None
    wanted, below = part * total, 0
    for number, count in enumerate(counts):
        if count and below + count >= wanted:
            if number == len(BOUNDS):
                break
            least = BOUNDS[number - 1] if number else 0
            return float(least + (BOUNDS[number] - least) * (wanted - below) / count)
        below += count
    return float(BOUNDS[-1])
