"""All statements of a connection, also those that go past Django's own cursors, and so past the counts of its tests."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import psycopg
from django.db import connection

_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")


@contextlib.contextmanager
def all_statements() -> Iterator[list[str]]:
    """Collect every statement that is sent, but not what begins and ends transactions."""
    sent: list[str] = []

    def note(statement: Any) -> None:
        text = str(statement).strip()
        if not text.startswith(_OF_TRANSACTIONS):
            sent.append(text)

    def wrapped(run: Any, statement: str, *rest: Any) -> Any:
        note(statement)
        return run(statement, *rest)

    if connection.vendor == "sqlite":
        with connection.execute_wrapper(wrapped):
            yield sent
        return
    real = psycopg.Cursor.execute

    def execute(cursor: Any, query: Any, *rest: Any, **options: Any) -> Any:
        note(query)
        return real(cursor, query, *rest, **options)

    with mock.patch.object(psycopg.Cursor, "execute", execute):
        yield sent
