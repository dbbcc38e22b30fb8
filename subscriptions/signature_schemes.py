"""How an endpoint's requests are signed: the standard scheme, ready-made ones, and one of the receiver's own.

As JSON, in the database and in the API, a list: `["standard", "github", {"header": "X-Acme-Signature", …}]`.
"""

import dataclasses
import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STANDARD = "standard"
MAX_HEADER, MAX_PREFIX = 64, 32
_HEADER = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{MAX_HEADER - 1}}}")
# No control characters, and no space at the start, which HTTP would take away.
_PREFIX = re.compile(rf"(?:[!-~][ -~]{{0,{MAX_PREFIX - 1}}})?")
# What the dispatcher, HTTP itself or a proxy on the way gives a meaning to.
_TAKEN = frozenset(
    {
        *("accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length"),
        *("content-type", "cookie", "date", "expect", "forwarded", "host", "keep-alive", "origin"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "user-agent", "via", "webhook-id", "webhook-signature", "webhook-timestamp"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    }
)


class InvalidScheme(ValueError):
    """Settings don't make a signature scheme. The message says which and why."""


class Digest(enum.StrEnum):
    SHA256 = "sha256"
    SHA512 = "sha512"
    SHA1 = "sha1"


class Encoding(enum.StrEnum):
    HEX = "hex"
    BASE64 = "base64"


class Signed(enum.StrEnum):
    """What is signed. The id is that of the header `webhook-id`, the timestamp in seconds since the epoch."""

    BODY = "{body}"
    TIMESTAMP_BODY = "{timestamp}.{body}"
    ID_TIMESTAMP_BODY = "{id}.{timestamp}.{body}"

    @property
    def has_timestamp(self) -> bool:
        return self is not Signed.BODY


class Layout(enum.StrEnum):
    """What stands in the header: the signature after its prefix, or `t=…,v1=…` with one `v1` for each secret."""

    PLAIN = "plain"
    COMBINED = "combined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """An HMAC in a header. Its key is the text of the secret, in UTF-8, `whsec_` and all."""

    header: str
    digest: Digest = Digest.SHA256
    encoding: Encoding = Encoding.HEX
    prefix: str = ""
    signed: Signed = Signed.BODY
    layout: Layout = Layout.PLAIN
    timestamp_header: str = ""

    def __post_init__(self) -> None:
        for name in filter(None, (self.header, self.timestamp_header)):
            if not _HEADER.fullmatch(name):
                raise InvalidScheme(
                    f"A header's name is made of letters, digits, - and _, at most {MAX_HEADER}, unlike {name!r}."
                )
            if name.lower() in _TAKEN:
                raise InvalidScheme(f"The header {name} has a meaning already. Choose another.")
        if not self.header:
            raise InvalidScheme("Name the header that holds the signature.")
        if not _PREFIX.fullmatch(self.prefix):
            raise InvalidScheme(
                f"A prefix is at most {MAX_PREFIX} printable ASCII characters and does not begin with a space."
            )
        if self.header.lower() == self.timestamp_header.lower():
            raise InvalidScheme("Signature and timestamp need a header each, or the combined layout.")
        if self.layout is Layout.COMBINED:
            if not self.signed.has_timestamp:
                raise InvalidScheme(f"The combined layout carries a timestamp: sign it too, {Signed.TIMESTAMP_BODY}.")
            if self.prefix or self.timestamp_header:
                raise InvalidScheme("The combined layout has neither a prefix nor a timestamp header.")
        elif self.signed.has_timestamp and not self.timestamp_header:
            raise InvalidScheme("A timestamp that is signed must be sent: name its header, or use the combined layout.")
        elif self.timestamp_header and not self.signed.has_timestamp:
            raise InvalidScheme("A timestamp that is not signed proves nothing: sign it, or leave its header out.")

    @property
    def headers(self) -> list[str]:
        """The names of the headers that it writes, in lower case."""
        return [name.lower() for name in (self.header, self.timestamp_header) if name]

    @property
    def warning(self) -> str | None:
        """What speaks against it."""
        if self.digest is Digest.SHA1:
            return f"{self.header} is signed with sha1, which is only for receivers that know nothing else."
        return None


PRESETS: Mapping[str, Scheme] = {
    "x-signature": Scheme(header="X-Signature"),
    "github": Scheme(header="X-Hub-Signature-256", prefix="sha256="),
    "stripe": Scheme(header="Stripe-Signature", signed=Signed.TIMESTAMP_BODY, layout=Layout.COMBINED),
    "shopify": Scheme(header="X-Shopify-Hmac-SHA256", encoding=Encoding.BASE64),
}
_NAMES = [STANDARD, *PRESETS]
_FIELDS = {field.name: field for field in dataclasses.fields(Scheme)}
_WORDS: Mapping[str, type[enum.StrEnum]] = {"digest": Digest, "encoding": Encoding, "signed": Signed, "layout": Layout}


@dataclass(frozen=True, slots=True)
class Schemes:
    """All the schemes of an endpoint: whether the standard one is among them, and the others."""

    standard: bool
    others: Sequence[Scheme] = ()

    @property
    def warnings(self) -> list[str]:
        return [each.warning for each in self.others if each.warning]


STANDARD_ONLY = Schemes(standard=True)


def read(value: Any) -> Schemes:
    """Read the JSON form. Raises `InvalidScheme`."""
    if not isinstance(value, list) or not value:
        raise InvalidScheme(f"Write a list of at least one of {', '.join(_NAMES)}, or the settings of a scheme.")
    if len(value) > len(_NAMES) + 1:
        raise InvalidScheme(f"These are more than the {len(_NAMES)} ready-made schemes and one other.")
    if sum(isinstance(each, Mapping) for each in value) > 1:
        raise InvalidScheme("Only one scheme can be given by its settings.")
    if any(value.count(each) > 1 for each in value):
        raise InvalidScheme("Name each scheme once.")
    others = [_read_one(each) for each in value if each != STANDARD]
    headers = [name for each in others for name in each.headers]
    if len(set(headers)) < len(headers):
        raise InvalidScheme("Two schemes write the same header.")
    return Schemes(STANDARD in value, tuple(others))


def normal(value: Any) -> list[Any]:
    """Return the JSON form with every setting of a scheme written out. Raises `InvalidScheme`."""
    read(value)
    return [dataclasses.asdict(_read_one(each)) if isinstance(each, Mapping) else each for each in value]


def _read_one(value: Any) -> Scheme:
    if isinstance(value, str) and value in PRESETS:
        return PRESETS[value]
    if not isinstance(value, Mapping):
        raise InvalidScheme(f"{value!r} is unknown: write one of {', '.join(_NAMES)}, or the settings of a scheme.")
    if unknown := [str(name) for name in value if name not in _FIELDS]:
        raise InvalidScheme(f"{unknown[0]!r} is no setting of a scheme: there are {', '.join(_FIELDS)}.")
    settings = {"header": "", **value}
    for name, text in settings.items():
        if not isinstance(text, str):
            raise InvalidScheme(f"The setting {name} is a text.")
        if words := _WORDS.get(name):
            try:
                settings[name] = words(text)
            except ValueError:
                raise InvalidScheme(f"{text!r} is no {name}: write one of {', '.join(words)}.") from None
    return Scheme(**settings)
