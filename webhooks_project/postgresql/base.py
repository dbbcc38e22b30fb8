"""Django's back end for PostgreSQL, where a request begins without a question and small tables have plans that last."""

import select

from django.db.backends.postgresql import base

# A new installation has no statistics, and the plan of a prepared statement outlives the small tables that it was
# made for: reading a table from its beginning to its end is for queries that no index serves. These then look so
# expensive that they would be compiled first (JIT).
_SETTINGS = "SET enable_seqscan = off; SET jit = off"


class DatabaseWrapper(base.DatabaseWrapper):
    def init_connection_state(self) -> None:
        """Prepare a new connection."""
        super().init_connection_state()
        with self.wrap_database_errors:
            self.connection.execute(_SETTINGS)

    def is_usable(self) -> bool:
        """Say whether the server still listens. Asks it only if something about the connection is unusual.

        A server that ends a connection says so, and there is nothing else that it would say unasked: where
        nothing has arrived, the connection is as good as an answer could show. Django calls this before the
        first query of each request, and asking cost half as much as publishing an event.
        """
        if self.connection is None or self.errors_occurred or self.connection.closed or self._has_word():
            return super().is_usable()
        return True

    def _has_word(self) -> bool:
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
