"""What the API answered to requests with an `Idempotency-Key`, so that it can answer them again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection, models

from subscriptions.encrypted_fields import EncryptedJSONField

MAX_KEY_LENGTH = 255
# How a request waits for its twin that came first: on SQLite all who write wait for each other. On PostgreSQL whatever
# the transaction waits for afterwards is given up as soon, as others may wait for it.
_WAIT = {"postgresql": "FROM (SELECT set_config('lock_timeout', '5000', true)) AS waits", "sqlite": "WHERE true"}
_CLAIM = """
INSERT INTO subscriptions_idempotentanswer (owner, key, fingerprint, created_at)
SELECT %s, %s, %s, %s {wait}
ON CONFLICT (owner, key) DO UPDATE SET fingerprint = excluded.fingerprint, created_at = excluded.created_at
WHERE subscriptions_idempotentanswer.created_at < %s
RETURNING id
"""
_FORGOTTEN_AT_ONCE = 1000


def _execute(sql: str, parameters: Sequence[Any]) -> list[Any]:
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())
    # A cursor of psycopg itself has a statement prepared, where Django's has it planned each time.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as own:
        own.execute(sql, parameters)
        return own.fetchall()


class IdempotentAnswerManager(models.Manager["IdempotentAnswer"]):
    def claim(self, *, owner: str, key: str, fingerprint: str, now: datetime, expired: datetime) -> int | None:
        """Take `key` for the transaction that is under way. Return the row, or None where there is an answer already.

        An answer from before `expired` counts no more. Waits while a twin in another transaction has the key. On
        PostgreSQL raises `OperationalError` with SQLSTATE 55P03 if that takes too long.
        """
        moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (now, expired)]
        claim = _CLAIM.format(wait=_WAIT[connection.vendor])
        rows = _execute(claim, [owner, key, fingerprint, *moments])
        return int(rows[0][0]) if rows else None

    def answer(self, pk: int, answer: Any) -> None:
        """Note the answer of a row that `claim` returned, in the same transaction."""
        text = self.model._meta.get_field("answer").get_db_prep_value(answer, connection)
        _execute("UPDATE subscriptions_idempotentanswer SET answer = %s WHERE id = %s RETURNING id", [text, pk])

    def forget(self, expired: datetime) -> int:
        """Delete up to 1,000 answers from before `expired`. Return how many."""
        oldest = self.filter(created_at__lt=expired).order_by("created_at").values("pk")[:_FORGOTTEN_AT_ONCE]
        return self.filter(pk__in=list(oldest.values_list("pk", flat=True))).delete()[0]


class IdempotentAnswer(models.Model):
    """The answer to a request with an `Idempotency-Key`. Is committed together with what the request did."""

    id = models.BigAutoField(primary_key=True)
    owner = models.CharField(max_length=60, help_text="Who sent the request: an API key or a user.")
    key = models.CharField(max_length=MAX_KEY_LENGTH)
    # Of method, address and body.
    fingerprint = models.CharField(max_length=64)
    # Null only inside the transaction that makes it. Encrypted, as some answers show a secret.
    answer: Any = EncryptedJSONField(null=True)
    created_at = models.DateTimeField()

    objects = IdempotentAnswerManager()

    class Meta:
        constraints = [
            # Serves and decides `claim`.
            models.UniqueConstraint(fields=["owner", "key"], name="subscriptions_idempotentanswer_key"),
        ]
        indexes = [
            # Serves `forget`.
            models.Index("created_at", name="subscriptions_idempotent_age"),
        ]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"
