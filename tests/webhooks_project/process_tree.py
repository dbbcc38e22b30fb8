"""What the kernel says about processes, for tests that look who is left. Linux only."""

from collections.abc import Iterable
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Return the pids of every process that descends from `pid`."""
    children = [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [each for child in children for each in descendants(child)]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def running(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if is_running(pid)]
