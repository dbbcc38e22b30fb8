"""Loading very many rows that were made elsewhere, as fast as the database takes them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models

from dispatch.sql import sqlite_parameters

# The manual of PostgreSQL, COPY, text format.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"


class Loader:
    """Loads rows of a model. A row has a value for each of `columns`; the others get the model's defaults."""

    def __init__(self, model: type[models.Model], columns: Sequence[str]) -> None:
        others = [
            field
            for field in model._meta.concrete_fields
            # What the database fills in by itself is left to it.
            if field.column not in columns and not isinstance(field, models.AutoField) and not field.has_db_default()
        ]
        self._table = model._meta.db_table
        self._columns = [*columns, *(str(field.column) for field in others)]
        self._defaults = [field.get_db_prep_save(field.get_default(), connection) for field in others]

    def load(self, rows: Iterable[Sequence[Any]]) -> None:
        """Insert the rows: ids as UUIDs, times, numbers and texts."""
        names = ", ".join(self._columns)
        if connection.vendor == "postgresql":
            rest = "".join(f"\t{_written(value)}" for value in self._defaults)
            with connection.cursor() as cursor, cursor.copy(f"COPY {self._table} ({names}) FROM STDIN") as copy:
                copy.write("".join(["\t".join(map(_written, row)) + rest + "\n" for row in rows]))
            return
        places = ", ".join(["%s"] * len(self._columns))
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {self._table} ({names}) VALUES ({places})",
                [sqlite_parameters([*row, *self._defaults]) for row in rows],
            )


def _written(value: Any) -> str:
    if value is None:
        return _NULL
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, UUID | int | float | datetime):
        return str(value)
    # psycopg's wrapper of JSON.
    return str(value.dumps(value.obj) if getattr(value, "dumps", None) else value.obj).translate(_ESCAPES)
