"""Model fields that are encrypted in the database and plain in Python.

`reencryption` finds every model that has one. They cannot be searched: the same text is encrypted differently
each time.
"""

import json
from typing import TYPE_CHECKING, Any

from django.db import models

from subscriptions import encryption

if TYPE_CHECKING:
    _AnyField = models.Field[Any, Any]
else:
    _AnyField = models.Field


class EncryptedField(_AnyField):
    """A text that leaves this process encrypted only. Raises `encryption.EncryptionError` where it cannot be read."""

    def get_internal_type(self) -> str:
        return "TextField"

    def write(self, value: Any) -> str:
        """Turn a value into the text that is encrypted."""
        return str(value)

    def read(self, text: str) -> Any:
        """Turn the text that was encrypted into a value."""
        return text

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        if value is None:
            return None
        try:
            return self.read(encryption.keyring().decrypt(value))
        except encryption.CannotDecrypt as error:
            raise encryption.CannotDecrypt(f"{self.model._meta.label}.{self.name}: {error}") from None

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else encryption.keyring().encrypt(self.write(value))

    def get_lookup(self, lookup_name: str) -> Any:
        # Anything else would compare with a fresh encryption and never match.
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None


class EncryptedTextField(EncryptedField):
    """Text."""

    description = "Encrypted text"


class EncryptedJSONField(EncryptedField):
    """Anything that JSON can say."""

    description = "Encrypted JSON"
    empty_strings_allowed = False

    def write(self, value: Any) -> str:
        return json.dumps(value, separators=(",", ":"))

    def read(self, text: str) -> Any:
        return json.loads(text)
