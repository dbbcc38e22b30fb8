"""What lets a request in at its receiver, beside the signature: credentials and custom headers. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from subscriptions.credentials import Basic, Bearer, Credentials, Header, OAuth2


class NoAccess(ValueError):
    """What an endpoint's requests are to carry cannot be read. They must not leave without it."""


# Compared and hashed by identity: it is made once for what is stored.
@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """The headers of one endpoint's requests, and the client whose access token they carry, if they need one.

    `secrets` are texts that nothing that is kept may contain. `problem` says what is wrong with what is stored.
    """

    headers: Mapping[str, str] = field(repr=False)
    client: OAuth2 | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    problem: str | None = None


def access_of(credentials: Credentials | None, headers: Mapping[str, str]) -> Access:
    """Make the headers once, for all requests."""
    values = tuple(headers.values())
    match credentials:
        case None:
            return Access(headers, secrets=values)
        case Basic():
            pair = basic(credentials.user, credentials.password)
            return _with(headers, "Authorization", f"Basic {pair}", pair, credentials.password)
        case Bearer():
            return _with(headers, "Authorization", f"Bearer {credentials.token}", credentials.token)
        case Header():
            return _with(headers, credentials.name, credentials.value, credentials.value)
        case OAuth2():
            return Access(headers, credentials, (*values, credentials.client_secret))


def basic(user: str, password: str) -> str:
    """Write user name and password as the scheme Basic does (RFC 7617, section 2, in UTF-8)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _with(headers: Mapping[str, str], name: str, value: str, *secrets: str) -> Access:
    return Access({**headers, name: value}, secrets=(*headers.values(), *secrets))
