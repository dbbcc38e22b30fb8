"""Connections that are open and that nobody uses, of all hosts together."""

import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Hashable

from urllib3.connection import HTTPConnection


class IdleConnections:
    """Open connections that no exchange uses: at most `limit`, and the one that is idle longest is closed first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._hosts: OrderedDict[HTTPConnection, Hashable] = OrderedDict()
        # The connections of each host, the one that is idle longest first.
        self._connections: defaultdict[Hashable, deque[HTTPConnection]] = defaultdict(deque)

    def keep(self, connection: HTTPConnection, host: Hashable) -> None:
        """Keep `connection` until somebody takes it or there are too many."""
        with self._lock:
            self._hosts[connection] = host
            self._connections[host].append(connection)
            excess = self._take_oldest() if len(self._hosts) > self._limit else None
        if excess is not None:
            excess.close()

    def take(self, host: Hashable) -> HTTPConnection | None:
        """Take the connection to `host` that was used last, if there is one."""
        with self._lock:
            if host not in self._connections:
                return None
            connection = self._connections[host].pop()
            self._forget(connection, host)
            return connection

    def close(self) -> None:
        """Close all."""
        with self._lock:
            while self._hosts:
                self._take_oldest().close()

    def _take_oldest(self) -> HTTPConnection:
        connection, host = next(iter(self._hosts.items()))
        self._connections[host].popleft()
        self._forget(connection, host)
        return connection

    def _forget(self, connection: HTTPConnection, host: Hashable) -> None:
        del self._hosts[connection]
        if not self._connections[host]:
            del self._connections[host]
