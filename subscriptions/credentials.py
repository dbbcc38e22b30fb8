"""What an endpoint's receiver wants to see before it lets a request in. Pure.

Each kind has settings, which may be shown, and one secret, which is not shown again. As JSON, in the API:
`{"kind": "basic", "user": "ada", "password": "…"}`.
"""

import dataclasses
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from subscriptions import endpoint_urls, request_headers

MAX_TEXT, MAX_SECRET = 500, 8192
# RFC 7617, section 2: a colon ends the user name, and there are no control characters.
_USER = re.compile(rf"[^\x00-\x1f\x7f-\x9f:\ud800-\udfff]{{1,{MAX_TEXT}}}")
_PASSWORD = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{MAX_SECRET}}}")
# RFC 6750, section 2.1, and what else issuers make of it.
_TOKEN = re.compile(rf"[!-~]{{1,{MAX_SECRET}}}")
# RFC 6749, appendix A: VSCHAR, and scope-tokens with a space between.
_PRINTABLE = re.compile(rf"[ -~]{{1,{MAX_SECRET}}}")
_SCOPE = re.compile(r"(?:[!#-\[\]-~]+(?: [!#-\[\]-~]+)*)?")


class InvalidCredentials(ValueError):
    """Something does not make credentials. The message never contains a secret."""


class Kind(enum.StrEnum):
    BASIC = "basic"
    BEARER = "bearer"
    HEADER = "header"
    OAUTH2 = "oauth2"


class ClientAuthentication(enum.StrEnum):
    """How a client shows its secret to the token endpoint (RFC 6749, section 2.3.1)."""

    BASIC = "basic"
    BODY = "body"


def _secret() -> Any:
    # Shown in no representation, so in no log.
    return dataclasses.field(repr=False, metadata={"secret": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Basic:
    """User name and password (RFC 7617)."""

    kind: ClassVar[Kind] = Kind.BASIC
    header: ClassVar[str] = request_headers.AUTHORIZATION
    user: str
    password: str = _secret()

    def __post_init__(self) -> None:
        _check(_USER.fullmatch(self.user), "user", f"a text of 1 to {MAX_TEXT} characters without colons")
        _check(_PASSWORD.fullmatch(self.password), "password", f"a text of 1 to {MAX_SECRET} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """A token that does not change (RFC 6750)."""

    kind: ClassVar[Kind] = Kind.BEARER
    header: ClassVar[str] = request_headers.AUTHORIZATION
    token: str = _secret()

    def __post_init__(self) -> None:
        _check(_TOKEN.fullmatch(self.token), "token", "printable ASCII without spaces, and without the word Bearer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header with a value that the receiver knows."""

    kind: ClassVar[Kind] = Kind.HEADER
    name: str
    value: str = _secret()

    def __post_init__(self) -> None:
        try:
            request_headers.check_name(self.name)
            request_headers.check_value(self.name, self.value)
        except request_headers.InvalidHeader as error:
            raise InvalidCredentials(str(error)) from None
        _check(len(self.value) <= MAX_SECRET, "value", f"at most {MAX_SECRET} characters long")

    @property
    def header(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """Client credentials, for which a token endpoint gives access tokens (RFC 6749, section 4.4)."""

    kind: ClassVar[Kind] = Kind.OAUTH2
    header: ClassVar[str] = request_headers.AUTHORIZATION
    token_url: str = dataclasses.field(repr=False)
    client_id: str
    client_secret: str = _secret()
    scope: str = ""
    audience: str = ""
    client_authentication: ClientAuthentication = ClientAuthentication.BASIC

    def __post_init__(self) -> None:
        try:
            endpoint_urls.check_url(self.token_url)
        except endpoint_urls.InvalidUrl as error:
            raise InvalidCredentials(f"token_url: {error}") from None
        _check(_PRINTABLE.fullmatch(self.client_id), "client_id", "printable ASCII")
        _check(_PRINTABLE.fullmatch(self.client_secret), "client_secret", "printable ASCII")
        _check(_SCOPE.fullmatch(self.scope), "scope", "words of printable ASCII with one space between")
        _check(not self.audience or _PRINTABLE.fullmatch(self.audience), "audience", "printable ASCII")
        for name in ("client_id", "scope", "audience"):
            _check(len(getattr(self, name)) <= MAX_TEXT, name, f"at most {MAX_TEXT} characters long")


Credentials = Basic | Bearer | Header | OAuth2
CLASSES: Mapping[str, type[Credentials]] = {each.kind.value: each for each in (Basic, Bearer, Header, OAuth2)}


def read(value: Any) -> Credentials:
    """Read the JSON form. Raises `InvalidCredentials`."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or kind not in CLASSES:
        raise InvalidCredentials(f"Write an object with a kind: one of {', '.join(CLASSES)}.")
    made = CLASSES[kind]
    given = {str(name): part for name, part in value.items() if name != "kind"}
    fields = {field.name: field for field in dataclasses.fields(made)}
    if unknown := [name for name in given if name not in fields]:
        raise InvalidCredentials(f"{unknown[0]!r} is no part of {kind}: there are {', '.join(fields)}.")
    for name, field in fields.items():
        _check(name in given or field.default is not dataclasses.MISSING, name, "given")
        _check(isinstance(given.get(name, ""), str), name, "a text")
    if "client_authentication" in given:
        words = list(ClientAuthentication)
        _check(given["client_authentication"] in words, "client_authentication", f"one of {', '.join(words)}")
        given["client_authentication"] = ClientAuthentication(given["client_authentication"])
    return made(**given)


def shown(kind: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return kind and settings as they are shown, in one order: databases keep JSON in theirs."""
    names = (field.name for field in dataclasses.fields(CLASSES[kind]))
    return {"kind": kind, **{name: settings[name] for name in names if name in settings}}


def header_of(shown: Mapping[str, str]) -> str:
    """Name the header, in lower case, that credentials write of which this may be shown."""
    return (shown["name"] if shown["kind"] == Kind.HEADER else request_headers.AUTHORIZATION).lower()


def secret_part(kind: str) -> str:
    """Name the part that is not shown."""
    return next(field.name for field in dataclasses.fields(CLASSES[kind]) if field.metadata.get("secret"))


def settings_of(credentials: Credentials) -> dict[str, str]:
    """Return the parts that may be shown."""
    secret = secret_part(credentials.kind)
    return {
        field.name: str(getattr(credentials, field.name))
        for field in dataclasses.fields(credentials)
        if field.name != secret
    }


def secret_of(credentials: Credentials) -> str:
    """Return the part that is not shown."""
    return str(getattr(credentials, secret_part(credentials.kind)))


def _check(is_right: object, part: str, wanted: str) -> None:
    if not is_right:
        raise InvalidCredentials(f"{part} must be {wanted}.")
