"""A hard end for exchanges over sockets.

Socket time-outs bound one read or write: a receiver that sends a byte now and then holds a thread for
good. Here one thread watches all exchanges and shuts the socket of each that is past its deadline,
which wakes the thread that waits for it. So sockets need no time-outs of their own.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

# How often the watching thread looks around at least, in seconds, for what is to be done now and then.
_ROUND = 1.0


class Exchange:
    """One request on its way, which has so many seconds. `expires_at` is on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expires_at = time.monotonic() + seconds
        self.expired = False
        self.remote_address = ""
        # Seconds that parts of it took, as far as there were such parts.
        self.dns: float | None = None
        self.connect: float | None = None
        self.tls: float | None = None
        # When everything was sent, on the monotonic clock.
        self.sent_at: float | None = None
        self._lock = threading.Lock()
        self._finished = False
        self._descriptor: int | None = None
        self._is_duplicate = False

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.expires_at - time.monotonic())

    def use(self, connecting: socket.socket) -> None:
        """Name the socket that the exchange depends on from now on.

        Keeps a duplicate, which stays valid when TLS takes over the original or the original is closed.
        """
        self._depend_on(os.dup(connecting.fileno()), is_duplicate=True)

    def borrow(self, connected: socket.socket) -> None:
        """Name the socket that the exchange depends on from now on, which nobody closes before it is finished."""
        self._depend_on(connected.fileno(), is_duplicate=False)

    def finish(self) -> None:
        """Let go of the socket. The exchange can no longer expire."""
        with self._lock:
            self._finished = True
            self._let_go()

    def expire(self) -> None:
        """Shut the socket, which ends the reading and writing of whoever uses it, unless the exchange is finished."""
        with self._lock:
            if not self._finished:
                self.expired = True
                self._shut()

    def _depend_on(self, descriptor: int, *, is_duplicate: bool) -> None:
        with self._lock:
            self._let_go()
            self._descriptor, self._is_duplicate = descriptor, is_duplicate
            if self.expired:
                self._shut()

    def _let_go(self) -> None:
        previous, self._descriptor = self._descriptor, None
        if previous is not None and self._is_duplicate:
            os.close(previous)

    def _shut(self) -> None:
        if self._descriptor is not None:
            seen = socket.socket(fileno=self._descriptor)
            with contextlib.suppress(OSError):
                seen.shutdown(socket.SHUT_RDWR)
            seen.detach()


class Watchdog:
    """Expires exchanges that last longer than `seconds`, and calls `tidy` about once a second."""

    def __init__(self, seconds: float, *, tidy: Callable[[], None]) -> None:
        self._seconds = seconds
        self._tidy = tidy
        # By how many seconds they have, in the order in which they began, which is that in which they expire. Whoever
        # begins or ends one takes no lock: one operation on a dict is never cut in two.
        self._active: dict[float, dict[Exchange, None]] = {seconds: {}}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
        self._thread.start()

    def begin(self, seconds: float | None = None) -> Exchange:
        """Begin an exchange, which expires unless it is ended in time: in `seconds` if that is less than usual.

        Fewer seconds than a round lasts may expire a round later.
        """
        exchange = Exchange(self._seconds if seconds is None else min(seconds, self._seconds))
        self._active.setdefault(exchange.seconds, {})[exchange] = None
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Watch an exchange no more."""
        self._active[exchange.seconds].pop(exchange, None)
        exchange.finish()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        # What begins while this thread waits does not expire before the time that it waits for.
        round_ends = time.monotonic()
        while not self._closed.is_set():
            now = time.monotonic()
            if now >= round_ends:
                self._tidy()
                round_ends = now + _ROUND
            next_at = min(round_ends, now + self._seconds)
            for active in list(self._active.values()):
                for exchange in list(active):
                    if exchange.expires_at > now:
                        next_at = min(next_at, exchange.expires_at)
                        break
                    active.pop(exchange, None)
                    exchange.expire()
            self._closed.wait(max(0.0, next_at - time.monotonic()))
