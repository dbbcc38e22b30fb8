"""Running statements of our own on either database. Only `outbox` writes with them."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.dateparse import parse_datetime


def plan_once(sender: object, connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Have a new connection plan each statement once, whatever its values: a receiver of `connection_created`.

    A worker's few statements take arrays of a few or of hundreds of ids, and the best plan is always the same.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET plan_cache_mode = force_generic_plan")


def execute(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    if connection.vendor == "postgresql":
        # A cursor of psycopg itself: it sends parameters beside the statement and has it prepared, where Django's
        # writes them into the text, to be planned each time.
        connection.ensure_connection()
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(sql, parameters)
            # Not `description`, which makes an object for every column.
            return [] if cursor.rownumber is None else cursor.fetchall()
    with connection.cursor() as sqlite_cursor:
        sqlite_cursor.execute(sql, sqlite_parameters(parameters))
        return list(sqlite_cursor.fetchall())


def compact(statement: str) -> str:
    """Leave out the indentation. psycopg remembers how it reads a statement only up to 4,096 characters of it."""
    return " ".join(statement.split())


def sqlite_parameters(parameters: Sequence[Any]) -> list[Any]:
    """Write ids and times as Django's SQLite back end does."""
    return [
        value.hex
        if isinstance(value, uuid.UUID)
        else connection.ops.adapt_datetimefield_value(value)
        if isinstance(value, datetime)
        else value
        for value in parameters
    ]


def to_uuid(value: uuid.UUID | str) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(hex=value)


def to_time(value: datetime | str) -> datetime:
    # SQLite gives columns as naive times and expressions as text, both in UTC.
    moment = parse_datetime(value) if isinstance(value, str) else value
    if moment is None:
        raise ValueError(f"{value!r} is not a time")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def select_by_ids(
    statement: str, values: Sequence[uuid.UUID], rest: str = "", *parameters: Any
) -> list[tuple[Any, ...]]:
    """Run `statement`, which ends in the column that is to be among `values`, and then `rest`."""
    if connection.vendor == "postgresql":
        # One text for any number of ids: it is prepared once. Binary, which psycopg writes five times as fast.
        return execute(f"{statement} = ANY (%b) {rest}", [list(values), *parameters])
    return execute(f"{statement} IN ({places(values)}) {rest}", [*values, *parameters])


def places(values: Sequence[Any]) -> str:
    """Write as many places for parameters as there are values."""
    return ", ".join(["%s"] * len(values))
