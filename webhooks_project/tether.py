"""Run a program that ends when the process that started it ends, even by SIGKILL.

This file is also the script that does it: it ties itself to its parent and then becomes the program.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str], death_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return `command` as one whose process gets `death_signal` when the caller's process dies.

    The kernel looks at the thread that starts the process, so start it from one that lives as long as the
    process (the main thread). Only Linux can do this; elsewhere the command runs untied.
    """
    # A small interpreter in between instead of `preexec_fn`, which is unsafe where threads run.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), *command]


def _become(parent: int, death_signal: int, command: Sequence[str]) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"prctl: {os.strerror(error)}")
    if os.getppid() != parent:
        # The parent died before the tie was made: no signal would come any more.
        raise SystemExit(f"{command[0]}: the process that started this one is gone")
    os.execvp(command[0], list(command))  # noqa: S606


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
