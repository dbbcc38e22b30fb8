"""The form of an ownership challenge, and of its answer. Pure.

The body is `{"type":"webhook.challenge","challenge":"<nonce>"}`. The answer is a 2xx whose body is
`{"challenge": "<nonce>"}`, with or without other members but `type`, or the nonce itself, bare or as a JSON text.
"""

import hashlib
import hmac
import json

TYPE = "webhook.challenge"


def body_with(nonce: str) -> bytes:
    """Write the body that asks for `nonce`."""
    return json.dumps({"type": TYPE, "challenge": nonce}, separators=(",", ":")).encode()


def hash_of(nonce: str) -> str:
    """Hash a nonce, which is random, so that who reads the hash cannot answer."""
    return hashlib.sha256(nonce.encode()).hexdigest()


def problem_with(answer: bytes, nonce: str) -> str | None:
    """Say in a sentence what is wrong with the body of a 2xx answer, or None if it echoes the nonce.

    >>> problem_with(b'{"challenge": "abc"}', "abc") is problem_with(b"abc\\n", "abc") is None
    True
    >>> problem_with(b'{"status": "success"}', "abc")
    'The receiver accepted the challenge, but its answer does not contain it.'
    >>> problem_with(body_with("abc"), "abc")
    'The receiver sent back what it got, as it would anything. It has to answer with the challenge alone.'
    """
    text = answer.decode("utf-8", "replace").strip()
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        if "type" in parsed:
            return (
                "The receiver sent back what it got, as it would anything. It has to answer with the challenge alone."
            )
        given = parsed.get("challenge")
    else:
        given = parsed if isinstance(parsed, str) else text
    if not isinstance(given, str) or len(given) != len(nonce):
        return "The receiver accepted the challenge, but its answer does not contain it."
    if not hmac.compare_digest(given.encode("utf-8", "replace"), nonce.encode()):
        return "The receiver answered with another challenge than it was sent."
    return None
