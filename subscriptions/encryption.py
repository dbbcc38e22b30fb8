"""Encryption of secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256), under keys that can be replaced.

What is stored names its key: the first 8 hex digits of the SHA-256 of the key, a colon, and the Fernet token.
So a wrong key is told by name, and what an old key encrypted is found without opening it.
"""

import base64
import functools
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

NAME_LENGTH = 8
SEPARATOR = ":"
VARIABLE = "WEBHOOKS_ENCRYPTION_KEYS"
HOW_TO_MAKE = "Make one with `openssl rand -base64 32`."


class EncryptionError(Exception):
    """Something cannot be encrypted or decrypted. The message holds neither keys nor what was encrypted."""


class NoKey(EncryptionError):
    """No key is set."""


class CannotDecrypt(EncryptionError):
    """A stored text was encrypted with a key that is not at hand, or is damaged."""


class Keyring:
    """The keys of an installation: the first encrypts, all decrypt. Each is base64 of 32 bytes."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise NoKey(f"{VARIABLE} is not set: secrets can be neither stored nor read. {HOW_TO_MAKE}")
        raw = [base64.b64decode(key, altchars=b"-_") for key in keys]
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(each)) for each in raw])
        self.names = [hashlib.sha256(each).hexdigest()[:NAME_LENGTH] for each in raw]

    @property
    def first(self) -> str:
        """The name of the key that encrypts."""
        return self.names[0]

    def encrypt(self, text: str) -> str:
        return f"{self.first}{SEPARATOR}{self._fernet.encrypt(text.encode()).decode()}"

    def decrypt(self, stored: str) -> str:
        """Return the text that was encrypted. Raises `CannotDecrypt`."""
        name, separator, token = stored.partition(SEPARATOR)
        if not separator or len(name) != NAME_LENGTH:
            raise CannotDecrypt("What is stored was never encrypted, or is damaged.")
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            if name in self.names:
                raise CannotDecrypt(f"What is stored is damaged. It was encrypted with the key {name}.") from None
            raise CannotDecrypt(
                f"What is stored was encrypted with the key {name}, which is not among {VARIABLE} "
                f"({', '.join(self.names)})."
            ) from None


def keyring() -> Keyring:
    """Return the keys that the settings name. Raises `NoKey`."""
    return _keyring(tuple(settings.WEBHOOKS.encryption_keys))


# Its making costs more than a decryption.
@functools.lru_cache(maxsize=4)
def _keyring(keys: tuple[str, ...]) -> Keyring:
    return Keyring(keys)
