"""Keys of encryption, and what is stored under which."""

from dataclasses import replace
from typing import Any

from django.db import connection

# Each is the output of: openssl rand -base64 32
FIRST = "LmsRD0PKpeHpa5yDn2zVBTPtk4xqvS8mnTi0A9hsxyE="
SECOND = "6QFuCb1pMymoVjHXxVuqMMSqdz7SpNuFcYtZk4xRDm0="
THIRD = "Qkq9u5z3Q7kKQn7NnH1uXrMZ4aVYjvYFhWm3oQ5R0pI="
# The first 8 digits of: base64 -d | sha256sum
FIRST_NAME, SECOND_NAME, THIRD_NAME = "f8c3611f", "1ff005ef", "ffaa3ef9"


def use(settings: Any, *keys: str) -> None:
    """Run the rest of the test with these keys."""
    settings.WEBHOOKS = replace(settings.WEBHOOKS, encryption_keys=keys)


def stored(table: str = "subscriptions_signingsecret", column: str = "value") -> list[str]:
    """List what the database really holds, in the order of its keys."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} ORDER BY id")  # noqa: S608
        return [text for (text,) in cursor.fetchall()]
