"""What is taken out of a receiver's answer before it is kept. Pure."""

import json
from collections.abc import Iterable, Mapping

from subscriptions.endpoint_urls import shortened

MASK = "…"
# Shorter ones are as likely to be a word of the answer as an echo of the secret.
_SHORTEST = 8
# Cookies and credentials, which are the receiver's own, and what it may send back of ours.
_SECRET_HEADERS = frozenset(
    {
        *("authentication-info", "authorization", "cookie", "proxy-authentication-info", "proxy-authorization"),
        *("set-cookie", "set-cookie2", "webhook-signature", "x-api-key", "x-auth-token", "x-csrf-token"),
    }
)
# URLs, which are credentials too.
_URL_HEADERS = frozenset({"content-location", "link", "location", "refresh"})
_MASKED = _SECRET_HEADERS | _URL_HEADERS


def masked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return response headers, by names in lower case, as they may be kept."""
    if _MASKED.isdisjoint(headers):
        return headers
    return {name: _masked(name, value) if name in _MASKED else value for name, value in headers.items()}


def without_secrets(text: str, secrets: Iterable[str], *, is_cut: bool = False) -> str:
    """Return `text` with a mask wherever it repeats one of `secrets`, as it is or within JSON.

    If `is_cut`, a secret may also have been broken off at the end.
    """
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
    # The longest first: one may be a part of another.
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
        if is_cut:
            text = _without_beginning(text, form)
    return text


def _forms(secret: str) -> Iterable[str]:
    """Return a secret as it is, in JSON, and as a body shows it that has it in Latin 1 and is read as UTF-8."""
    read = secret.encode("latin-1", "replace").decode("utf-8", "replace")
    return secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], read


def _without_beginning(text: str, secret: str) -> str:
    for length in range(min(len(secret), len(text)), _SHORTEST // 2, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + MASK
    return text


def _masked(name: str, value: str) -> str:
    if name != "location":
        return MASK
    return shortened(value) if value.lower().startswith(("http://", "https://")) else MASK
