"""A hard end for exchanges over sockets.

Socket time-outs bound one read or write: a receiver that sends a byte now and then holds a thread for
good. Here one thread watches all exchanges and shuts the socket of each that is past its deadline,
which wakes the thread that waits for it.
"""

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Iterator


class Exchange:
    """One request on its way. `expires_at` is on the monotonic clock, in seconds."""

    def __init__(self, expires_at: float) -> None:
        self.expires_at = expires_at
        self.expired = False
        self.remote_address = ""
        self._lock = threading.Lock()
        self._finished = False
        self._descriptor: int | None = None

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.expires_at - time.monotonic())

    def use(self, connected: socket.socket) -> None:
        """Name the socket that the exchange depends on from now on.

        Keeps a duplicate, which stays valid when TLS takes over the original or the original is closed.
        """
        duplicate = os.dup(connected.fileno())
        with self._lock:
            previous, self._descriptor = self._descriptor, duplicate
            if self.expired:
                self._shut()
        if previous is not None:
            os.close(previous)

    def finish(self) -> None:
        """Let go of the socket. The exchange can no longer expire."""
        with self._lock:
            self._finished = True
            previous, self._descriptor = self._descriptor, None
        if previous is not None:
            os.close(previous)

    def expire(self) -> None:
        """Shut the socket, which ends the reading and writing of whoever uses it, unless the exchange is finished."""
        with self._lock:
            if not self._finished:
                self.expired = True
                self._shut()

    def _shut(self) -> None:
        if self._descriptor is not None:
            duplicate = socket.socket(fileno=self._descriptor)
            with contextlib.suppress(OSError):
                duplicate.shutdown(socket.SHUT_RDWR)
            duplicate.detach()


class Watchdog:
    """Expires exchanges that are past their deadline."""

    def __init__(self) -> None:
        self._active: set[Exchange] = set()
        self._wakes_at = math.inf
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[Exchange]:
        """Give the block an exchange that expires after `seconds`, unless the block has ended by then."""
        exchange = Exchange(time.monotonic() + seconds)
        with self._changed:
            self._active.add(exchange)
            if exchange.expires_at < self._wakes_at:
                self._changed.notify()
        try:
            yield exchange
        finally:
            with self._changed:
                self._active.discard(exchange)
            exchange.finish()

    def close(self) -> None:
        """Stop watching."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for exchange in [exchange for exchange in self._active if exchange.expires_at <= now]:
                    self._active.discard(exchange)
                    exchange.expire()
                self._wakes_at = min((exchange.expires_at for exchange in self._active), default=math.inf)
                self._changed.wait(None if self._wakes_at == math.inf else self._wakes_at - now)
