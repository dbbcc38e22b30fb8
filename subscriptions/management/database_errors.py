"""What commands say when the database cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Turn an error of the database into a `CommandError` that says what to do, instead of a stack trace."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(_what_to_do(error)) from error


def _what_to_do(error: Exception) -> str:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, InterfaceError) as unreachable:
        return f"The database cannot be reached: {_first_line(unreachable)}. Check DATABASE_URL, and that it runs."
    if missing:
        return "The database lacks tables or columns of this version. Run `python manage.py migrate` first."
    return f"The database refused: {_first_line(error)}. Nothing was written."


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
