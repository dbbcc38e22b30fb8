"""Connections that are open and that nobody uses, of all hosts together."""

import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Hashable

from urllib3.connection import HTTPConnection


class IdleConnections:
    """Open connections that no exchange uses: at most `limit`, and none that is idle for more than `seconds`.

    Where there are too many, the one that is idle longest is closed first.
    """

    def __init__(self, limit: int, *, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._lock = threading.Lock()
        # With the host of each and since when it is idle, the one that is idle longest first.
        self._idle: OrderedDict[HTTPConnection, tuple[Hashable, float]] = OrderedDict()
        self._connections: defaultdict[Hashable, deque[HTTPConnection]] = defaultdict(deque)

    def keep(self, connection: HTTPConnection, host: Hashable) -> None:
        """Keep `connection` until somebody takes it or there are too many."""
        with self._lock:
            self._idle[connection] = host, time.monotonic()
            self._connections[host].append(connection)
            excess = self._take_oldest() if len(self._idle) > self._limit else None
        if excess is not None:
            excess.close()

    def take(self, host: Hashable) -> HTTPConnection | None:
        """Take the connection to `host` that was used last, unless that was too long ago."""
        with self._lock:
            connections = self._connections.get(host)
            if not connections or time.monotonic() - self._idle[connections[-1]][1] > self._seconds:
                return None
            connection = connections.pop()
            self._forget(connection, host)
            return connection

    def close_old(self) -> None:
        """Close those that are idle for too long."""
        while (connection := self._take_old()) is not None:
            connection.close()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            while self._idle:
                self._take_oldest().close()

    def _take_old(self) -> HTTPConnection | None:
        with self._lock:
            since = next(iter(self._idle.values()))[1] if self._idle else time.monotonic()
            return self._take_oldest() if time.monotonic() - since > self._seconds else None

    def _take_oldest(self) -> HTTPConnection:
        connection, (host, _) = next(iter(self._idle.items()))
        self._connections[host].popleft()
        self._forget(connection, host)
        return connection

    def _forget(self, connection: HTTPConnection, host: Hashable) -> None:
        del self._idle[connection]
        if not self._connections[host]:
            del self._connections[host]
