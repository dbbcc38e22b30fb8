"""How a worker's processes learn that it is to stop.

Celery tells only the main process of a worker. It writes one byte into memory that it shared with the
processes that it forked, and a pump that sees it stops claiming.
"""

import mmap

_flag = mmap.mmap(-1, 1)


def announce() -> None:
    """Tell every process of this worker to stop."""
    _flag[0] = 1


def is_announced() -> bool:
    """Say whether this worker is to stop."""
    return _flag[0] == 1
