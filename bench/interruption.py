"""Being told to stop: by Ctrl-C, by `kill`, or by a terminal that is closed."""

import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def prepare() -> None:
    """Have the first signal raise `KeyboardInterrupt`, and later ones leave the clearing up alone."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # As `nohup` sets it.
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for every in _SIGNALS:
        signal.signal(every, signal.SIG_IGN)
    raise KeyboardInterrupt
