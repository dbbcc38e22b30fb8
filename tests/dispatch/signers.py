"""Signers, from secrets as people write them."""

from typing import Any

from dispatch.signing import Signer, key_of
from subscriptions import signature_schemes


def signer_of(*secrets: str, schemes: list[Any] | None = None) -> Signer:
    """Make a signer with these secrets, newest first. Its schemes are as in the API."""
    return Signer(tuple(key_of(secret) for secret in secrets), signature_schemes.read(schemes or ["standard"]))
