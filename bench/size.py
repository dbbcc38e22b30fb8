"""How much a run does."""

import enum
from typing import TypeVar

Value = TypeVar("Value")


class Size(enum.StrEnum):
    """`QUICK` shows that everything works, `NORMAL` gives figures, `FULL` also waits for the longest ones to end."""

    QUICK = enum.auto()
    NORMAL = enum.auto()
    FULL = enum.auto()

    def pick(self, quick: Value, normal: Value, full: Value | None = None) -> Value:
        """Return the value for this size. `full` is as `normal` unless given."""
        if self is Size.QUICK:
            return quick
        return full if self is Size.FULL and full is not None else normal
