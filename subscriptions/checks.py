"""System checks: `manage.py check`, and every command that does not say that it goes without them."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections

from subscriptions import encryption, reencryption


@checks.register(checks.Tags.security)
def encryption_key_is_set(**_: Any) -> list[checks.CheckMessage]:
    """Refuse to go on without a key: secrets could be neither stored nor read."""
    try:
        encryption.keyring()
    except encryption.NoKey as error:
        return [
            checks.Error(
                str(error).partition(":")[0] + ".",
                hint=f"{encryption.HOW_TO_MAKE} Keep it apart from the database and its backups. "
                "`make up` makes one by itself; with DEBUG one that everybody knows is used.",
                id="subscriptions.E001",
            )
        ]
    return []


@checks.register(checks.Tags.database)
def stored_secrets_can_be_read(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Refuse to migrate with keys that do not open what is stored, before any worker tries."""
    if "default" not in (databases or ()):
        return []
    try:
        known = encryption.keyring().names
    except encryption.NoKey:
        return []  # That is the other check's to say.
    tables = connections["default"].introspection.table_names()
    return [
        checks.Error(
            f"{count} values of {field} were encrypted with the key {name!r}, which is not among {encryption.VARIABLE} "
            f"({', '.join(known)}).",
            hint=f"Add the key to {encryption.VARIABLE}, at the end. See docs/security.md, 'A lost key'.",
            id="subscriptions.E002",
        )
        for field in reencryption.encrypted_fields()
        if field.model._meta.db_table in tables
        for name, count in reencryption.count_by_key(field).items()
        if name not in known
    ]
