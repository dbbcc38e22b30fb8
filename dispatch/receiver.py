"""Check webhook requests as a receiver should. Read this to write a receiver of your own.

It shares no code with the sender and needs nothing but Python's standard library. In this order:

1. Only POST, and only with a signature: `check_method`, then one of the two `verify_…`.
2. Compute the signature over the exact bytes that arrived, before anything parses them, and compare it
   in constant time. Several signatures may come at once, while a secret is being rotated: one must match.
3. Refuse a signature that is older than 5 minutes, so that a recorded request cannot be played back later.
4. Parse the body.
5. Answer a challenge, which asks whether you want what is sent to this address, by sending back its text.
6. Remember the id of what you accepted, and answer a repetition with 200 without acting on it again:
   a sender that did not get your first answer tries again, and must stop when it asks about finished work.
"""

import base64
import enum
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from typing import Any

TOLERANCE = 5 * 60
_PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class Scheme(enum.StrEnum):
    """How the sender signs."""

    STANDARD = "standard"
    X_SIGNATURE = "x-signature"


class Rejected(Exception):
    """A request is not accepted. The message is the reason, `status` the HTTP status to answer with."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def check_method(method: str) -> None:
    """Raise `Rejected` for anything but POST."""
    if method != "POST":
        raise Rejected("Only POST is accepted.", status=405)


def verify(scheme: Scheme, key: bytes, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    """Raise `Rejected` unless the sender signed these bytes. `key` is from `key_of`, header names are lower case."""
    if scheme is Scheme.STANDARD:
        verify_standard(key, headers, body, now=now)
    else:
        verify_x_signature(key, headers, body)


def key_of(scheme: Scheme, secret: str) -> bytes:
    """Turn the text of a signing secret into the key. Raises `ValueError`, without the text, for a wrong form."""
    if scheme is Scheme.X_SIGNATURE:
        if not secret:
            raise ValueError("the secret is empty")
        return secret.encode()
    encoded = secret.removeprefix(_PREFIX)
    if encoded == secret:
        raise ValueError(f"a secret of the standard scheme starts with {_PREFIX}")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise ValueError(f"what follows {_PREFIX} is not base64") from None


def verify_standard(key: bytes, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    """Verify by Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, in base64 after `v1,`.

    `now` is in seconds since the epoch.
    """
    message_id = _header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    signatures = _header(headers, "webhook-signature")
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.digest(key, signed, hashlib.sha256)
    expected = "v1," + base64.b64encode(digest).decode()
    # There is one entry for each of the sender's secrets. Those of other versions (`v1a,…`) never match.
    if not any(_equal(expected, candidate) for candidate in signatures.split(" ")):
        raise Rejected("The signature does not match.")
    # Only now: the time of a request that nobody signed means nothing.
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Rejected("The timestamp is not a whole number of seconds.")
    if int(timestamp) < now - TOLERANCE:
        raise Rejected("The timestamp is more than 5 minutes old.")
    if int(timestamp) > now + TOLERANCE:
        raise Rejected("The timestamp is more than 5 minutes in the future.")


def verify_x_signature(key: bytes, headers: Mapping[str, str], body: bytes) -> None:
    """Verify by the plain scheme: `X-Signature` is the lower-case hex form of HMAC-SHA256 over the body.

    Nothing but the body is signed: neither a time, so a recorded request stays good, nor `webhook-id`.
    """
    signature = _header(headers, "x-signature")
    if not _equal(hmac.digest(key, body, hashlib.sha256).hex(), signature):
        raise Rejected("The signature does not match.")


def parse(body: bytes) -> Any:
    """Read the payload. Raises `Rejected` for anything but JSON."""
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Rejected("The body is not JSON.") from None


def challenge_in(payload: Any) -> str | None:
    """Return the text of a challenge, which is to be sent back as `{"challenge": "…"}`. None if this is no challenge.

    Only after `verify_…`: nobody else is to be told what you answer to.
    """
    if isinstance(payload, dict) and payload.get("type") == "webhook.challenge":
        challenge = payload.get("challenge")
        return challenge if isinstance(challenge, str) else None
    return None


class AcceptedIds:
    """The ids of the last requests that were accepted. In memory: use a unique column of your database instead."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._ids: dict[str, None] = {}
        self._lock = threading.Lock()

    def add(self, message_id: str) -> bool:
        """Remember an id. Return False if it was accepted before. Of two threads with one id only one gets True."""
        with self._lock:
            if message_id in self._ids:
                return False
            self._ids[message_id] = None
            if len(self._ids) > self._limit:
                del self._ids[next(iter(self._ids))]
            return True


def _header(headers: Mapping[str, str], name: str) -> str:
    try:
        return headers[name]
    except KeyError:
        raise Rejected(f"The header {name} is missing.") from None


def _equal(expected: str, given: str) -> bool:
    # As bytes, because compare_digest refuses text outside ASCII, which a stranger may send.
    return hmac.compare_digest(expected.encode(), given.encode())
