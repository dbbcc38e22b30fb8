"""The text forms of signing secrets (Standard Webhooks 1.0, section 'Signature scheme')."""

import base64
import binascii
import secrets

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
MIN_CHARACTERS, MAX_CHARACTERS = 16, 256
_GENERATED_BYTES = 32


class InvalidSecret(ValueError):
    """A text is not a signing secret of the wanted form. The message never contains the text."""


def generate() -> str:
    """Make a new standard secret: `whsec_` and the base64 form of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_GENERATED_BYTES)).decode()


def check_standard(text: str) -> str:
    """Return `text` if it is `whsec_` and base64 of 24 to 64 bytes. Raises `InvalidSecret`."""
    if not text.startswith(PREFIX):
        raise InvalidSecret(f"A standard signing secret starts with {PREFIX}.")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSecret(f"What follows {PREFIX} must be base64 with padding.") from None
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise InvalidSecret(f"A signing secret must be {MIN_BYTES} to {MAX_BYTES} bytes long, this one is {len(key)}.")
    return text


def check_text(text: str) -> str:
    """Return `text` if it can be the key of the plain `X-Signature` scheme. Raises `InvalidSecret`.

    Any printable text without spaces will do: receivers that already exist already have their secret.
    """
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS:
        raise InvalidSecret(
            f"A signing secret must be {MIN_CHARACTERS} to {MAX_CHARACTERS} characters long, this one is {len(text)}."
        )
    if not text.isprintable() or " " in text:
        raise InvalidSecret("A signing secret must not contain spaces or control characters.")
    return text
