from typing import Any

from django.db import models
from django.db.models import Expression


class FeedPosition(Expression):
    """Where an event that is written now comes in the feed. `dispatch.feed` says what it is worth.

    On PostgreSQL the number of the transaction. SQLite has none: who writes there names the position.
    """

    allowed_default = True

    def __init__(self) -> None:
        super().__init__(output_field=models.BigIntegerField())

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        return "0", ()

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        return "txid_current()", ()
