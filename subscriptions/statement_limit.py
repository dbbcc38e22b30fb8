"""A limit on how long the database may work on one statement, for pages that ask what nobody foresaw."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection

_CANCELLED = "57014"  # PostgreSQL's manual, appendix A: query_canceled


class TookTooLong(Exception):
    """The database gave up, as it was told to."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Let PostgreSQL give up a statement after so many seconds. SQLite, which is for few rows, has no such limit.

    Raises `TookTooLong`. Not for use within a transaction, which would be over then.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [str(round(seconds * 1000))])
    try:
        yield
    except OperationalError as error:
        if _is_cancelled(error):
            raise TookTooLong from error
        raise
    finally:
        if not connection.needs_rollback:
            _reset()


def _reset() -> None:
    with connection.cursor() as cursor:
        try:
            cursor.execute("RESET statement_timeout")
        except OperationalError as error:
            # The time was over just as the statement before ended: then this one is given up in its place.
            if not _is_cancelled(error):
                raise
            cursor.execute("RESET statement_timeout")


def _is_cancelled(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) == _CANCELLED
