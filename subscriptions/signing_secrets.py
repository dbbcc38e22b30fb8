"""The text forms of signing secrets (Standard Webhooks 1.0, sections 'Signature scheme' and 'Secret serialization').

- `whsec_` and base64 of 24 to 64 bytes: a secret that sender and receiver share.
- `whsk_` and base64 of the 32 bytes of an ed25519 private key (RFC 8032, its seed). The receiver has the public
  key: `whpk_` and base64 of 32 bytes.
- Any other text: a secret that a receiver had before, for schemes other than the standard one.
"""

import base64
import binascii
import enum
import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SHARED_PREFIX = "whsec_"
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
MIN_BYTES, MAX_BYTES = 24, 64
MIN_CHARACTERS, MAX_CHARACTERS = 16, 256
_SEED_BYTES = 32
_GENERATED_BYTES = 32


class InvalidSecret(ValueError):
    """A text is not a signing secret of the wanted form. The message never contains the text."""


class Kind(enum.StrEnum):
    SHARED = "shared"
    ED25519 = "ed25519"


def kind_of(text: str) -> Kind:
    """Tell by its beginning what kind of secret a text is, or claims to be."""
    return Kind.ED25519 if text.startswith(PRIVATE_PREFIX) else Kind.SHARED


def generate(kind: Kind = Kind.SHARED) -> str:
    """Make a new secret of 32 random bytes: `whsec_…`, or `whsk_…` for ed25519."""
    prefix, count = (PRIVATE_PREFIX, _SEED_BYTES) if kind is Kind.ED25519 else (SHARED_PREFIX, _GENERATED_BYTES)
    return prefix + base64.b64encode(secrets.token_bytes(count)).decode()


def check_standard(text: str) -> str:
    """Return `text` if it is `whsec_` and base64 of 24 to 64 bytes. Raises `InvalidSecret`."""
    shared_key(text)
    return text


def check_ed25519(text: str) -> str:
    """Return `text` if it is `whsk_` and base64 of 32 bytes. Raises `InvalidSecret`."""
    private_key(text)
    return text


def shared_key(text: str) -> bytes:
    """Return the key that `whsec_…` stands for, 24 to 64 bytes. Raises `InvalidSecret`."""
    key = _after_prefix(SHARED_PREFIX, text)
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise InvalidSecret(f"A signing secret must be {MIN_BYTES} to {MAX_BYTES} bytes long, this one is {len(key)}.")
    return key


def private_key(text: str) -> Ed25519PrivateKey:
    """Return the private key that `whsk_…` stands for. Raises `InvalidSecret`."""
    seed = _after_prefix(PRIVATE_PREFIX, text)
    if len(seed) != _SEED_BYTES:
        raise InvalidSecret(f"An ed25519 private key is {_SEED_BYTES} bytes long, this one is {len(seed)}.")
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(text: str) -> str:
    """Return what a receiver verifies the signatures of `whsk_…` with: `whpk_…`. Raises `InvalidSecret`."""
    return PUBLIC_PREFIX + base64.b64encode(private_key(text).public_key().public_bytes_raw()).decode()


def check_text(text: str) -> str:
    """Return `text` if it can be the key of a scheme that takes any text. Raises `InvalidSecret`.

    Any printable text without spaces will do: receivers that already exist already have their secret. Not a
    key pair or a part of one, which was meant otherwise.
    """
    if text.startswith((PRIVATE_PREFIX, PUBLIC_PREFIX)):
        raise InvalidSecret("An ed25519 key signs the standard scheme only.")
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS:
        raise InvalidSecret(
            f"A signing secret must be {MIN_CHARACTERS} to {MAX_CHARACTERS} characters long, this one is {len(text)}."
        )
    if not text.isprintable() or " " in text:
        raise InvalidSecret("A signing secret must not contain spaces or control characters.")
    return text


def _after_prefix(prefix: str, text: str) -> bytes:
    if not text.startswith(prefix):
        kind = "A standard signing secret" if prefix == SHARED_PREFIX else "An ed25519 private key"
        raise InvalidSecret(f"{kind} starts with {prefix}.")
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSecret(f"What follows {prefix} must be base64 with padding.") from None
