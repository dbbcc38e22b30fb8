"""Access tokens of OAuth 2 clients: asked for once, and used until they expire. Knows no network."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlencode

from dispatch.access import basic
from subscriptions.credentials import ClientAuthentication, OAuth2

_REMEMBERED = 10_000
_LONGEST_TOKEN = 16 * 1024
_LONGEST_LIFE = 10 * 366 * 86400.0
# How long before its end a token is not used any more, in seconds, and as a part of its life.
_MARGIN, _MARGIN_PART = 30.0, 0.1
# RFC 6749, section 5.2. Nothing else of an answer is repeated.
_ERRORS = frozenset(
    {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client"),
        *("unsupported_grant_type", "invalid_scope"),
    }
)


class NoToken(Exception):
    """There is no access token. The message says why, in a sentence without secrets."""


@dataclass(slots=True, eq=False)
class AccessToken:
    """A token, the moment of the monotonic clock until which it is used, and whether a receiver took it before."""

    text: str = field(repr=False)
    good_until: float
    was_taken: bool = False


@dataclass(slots=True)
class _Slot:
    token: AccessToken | None = None
    # What others wait for while one asks: the token, or why there is none.
    pending: "Future[AccessToken | str] | None" = None


class AccessTokens:
    """The tokens of a process. `fetch` asks a token endpoint for one, and raises `NoToken`.

    For each client one thread asks at a time; others wait for what it gets, a failure included.
    """

    def __init__(self, fetch: Callable[[OAuth2], AccessToken], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        # By all that a token depends on, so that changed credentials never get an old one.
        self._slots: OrderedDict[OAuth2, _Slot] = OrderedDict()

    def get(self, client: OAuth2, *, timeout: float) -> AccessToken:
        """Return a token for `client`, waiting at most `timeout` seconds for another thread's. Raises `NoToken`."""
        with self._lock:
            slot = self._slot(client)
            if slot.token is not None and self._clock() < slot.token.good_until:
                return slot.token
            pending = slot.pending
            if pending is None:
                slot.pending = mine = Future[AccessToken | str]()
        return self._ask(client, slot, mine) if pending is None else _awaited(pending, timeout)

    def refuse(self, client: OAuth2, token: AccessToken) -> bool:
        """Forget `token`, which a receiver did not take. Say whether one took it before: then it is worn out."""
        with self._lock:
            slot = self._slots.get(client)
            if slot is not None and slot.token is token:
                slot.token = None
            return token.was_taken

    def _ask(self, client: OAuth2, slot: _Slot, pending: "Future[AccessToken | str]") -> AccessToken:
        outcome: AccessToken | str = "The token endpoint could not be asked."
        try:
            outcome = self._fetch(client)
        except NoToken as problem:
            outcome = str(problem)
            raise
        finally:
            with self._lock:
                slot.token = outcome if isinstance(outcome, AccessToken) else None
                slot.pending = None
            pending.set_result(outcome)
        return outcome

    def _slot(self, client: OAuth2) -> _Slot:
        slot = self._slots.get(client)
        if slot is None:
            slot = self._slots[client] = _Slot()
            if len(self._slots) > _REMEMBERED:
                self._slots.popitem(last=False)
        self._slots.move_to_end(client)
        return slot


def token_request(client: OAuth2) -> tuple[dict[str, str], bytes]:
    """Write headers and body of the request for a token (RFC 6749, sections 2.3.1 and 4.4.2)."""
    form = {"grant_type": "client_credentials"}
    form |= {name: text for name in ("scope", "audience") if (text := getattr(client, name))}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    if client.client_authentication is ClientAuthentication.BASIC:
        pair = basic(quote_plus(client.client_id), quote_plus(client.client_secret))
        headers["Authorization"] = f"Basic {pair}"
    else:
        form |= {"client_id": client.client_id, "client_secret": client.client_secret}
    return headers, urlencode(form).encode()


def read_token(status: int, body: bytes, *, now: float, default_lifetime: float) -> AccessToken:
    """Read the answer of a token endpoint (RFC 6749, section 5). Raises `NoToken`."""
    try:
        # Answers may nest as deeply as they like.
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status != HTTPStatus.OK:
        code = answer.get("error") if isinstance(answer, Mapping) else None
        known = f" with {code}" if isinstance(code, str) and code in _ERRORS else ""
        hint = " Redirects are not followed." if 300 <= status < 400 else ""
        raise NoToken(f"The token endpoint answered {status}{known}.{hint}")
    if not isinstance(answer, Mapping):
        raise NoToken("The token endpoint answered what is no JSON object.")
    text, kind = answer.get("access_token"), answer.get("token_type", "bearer")
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TOKEN or not _can_be_sent(text):
        raise NoToken("The token endpoint answered without an access token that can be sent.")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoToken("The token endpoint answered with a token of another type than bearer.")
    lifetime = _lifetime(answer.get("expires_in"), default_lifetime)
    return AccessToken(text, now + lifetime - min(_MARGIN, lifetime * _MARGIN_PART))


def _can_be_sent(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def _lifetime(given: Any, default: float) -> float:
    """Return the seconds that a token is good. Some endpoints write them as text."""
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = float(given[:12])
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        return default
    return float(min(given, _LONGEST_LIFE))


def _awaited(pending: "Future[AccessToken | str]", timeout: float) -> AccessToken:
    try:
        outcome = pending.result(timeout)
    except NotInTime:
        raise NoToken("The token endpoint did not answer in time.") from None
    if isinstance(outcome, AccessToken):
        return outcome
    raise NoToken(outcome)
