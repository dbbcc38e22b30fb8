"""Signatures of requests. Pure: bytes in, header values out."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PREFIX = "whsec_"


class NothingToSignWith(ValueError):
    """A request was to be signed without a single valid secret. It must not leave unsigned."""


@dataclass(frozen=True, slots=True)
class Signer:
    """What one endpoint's requests are signed with: its valid secrets, newest first, and the schemes it chose."""

    secrets: Sequence[str]
    standard: bool = True
    x_signature: bool = False


def standard_signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign by Standard Webhooks 1.0: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.

    `timestamp` is in seconds since the epoch. The key is what the base64 text after `whsec_` stands for.
    """
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.digest(key, b"%s.%d.%s" % (message_id.encode(), timestamp, body), hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def x_signature(secret: str, body: bytes) -> str:
    """Sign by the plain scheme: lower-case hex of HMAC-SHA256 over the body. The key is the secret's own text."""
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def signature_headers(signer: Signer, *, message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Build the headers that let the receiver check where `body` comes from, and see a repetition.

    `webhook-id` is always among them, because receivers tell repetitions by it; the plain scheme does not
    sign it. With several secrets the standard scheme sends one signature for each, separated by spaces.
    The plain scheme has room for one: the newest secret's. Raises `NothingToSignWith` without secrets.
    """
    if not signer.secrets:
        raise NothingToSignWith("There is no valid signing secret.")
    headers = {"webhook-id": message_id}
    if signer.standard:
        signatures = [standard_signature(secret, message_id, timestamp, body) for secret in signer.secrets]
        headers |= {"webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}
    if signer.x_signature:
        headers["X-Signature"] = x_signature(signer.secrets[0], body)
    return headers
