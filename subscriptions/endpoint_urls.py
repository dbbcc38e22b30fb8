"""The form of an endpoint's URL. Which addresses may be reached is judged at every connection, not here."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from urllib3.util import parse_url

MAX_LENGTH = 2048
# Spaces and control characters of ASCII and Latin 1, what else ends a line, and halves of characters.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
_START = re.compile(r"https?://", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::(.*))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# With underscores, which names within one's own network often have.
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(\.{_LABEL})*\.?")
# What resolvers of the C library, and browsers, read as an IPv4 address, or as an attempt at one.
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0[Xx][0-9A-Fa-f]*)\.?")

# Scheme, host and port, and what follows them.
_SHOWN = re.compile(
    r"(https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)($|[/?#].*)", re.ASCII | re.I | re.S
)


class InvalidUrl(ValueError):
    """A text is not a URL that an endpoint can have."""


def check_url(url: str) -> str:
    """Return `url` if it is an http or https URL that every parser reads alike. Raises `InvalidUrl`.

    Refused beside other schemes: credentials in the URL (they would end up in logs), fragments (they are
    never sent), and whatever parsers disagree about: backslashes, control characters, and in the host percent
    signs, zone ids, characters beyond ASCII and addresses written as one number, in octal or in hexadecimal.
    """
    if len(url) > MAX_LENGTH:
        raise InvalidUrl(f"A URL must not be longer than {MAX_LENGTH} characters.")
    if _FORBIDDEN.search(url):
        raise InvalidUrl("A URL must not contain spaces, backslashes or control characters.")
    start = _START.match(url)
    if start is None:
        raise InvalidUrl("A URL must start with https:// or http://.")
    host, port = _host_and_port(re.split(r"[/?#]", url[start.end() :], maxsplit=1)[0])
    if "#" in url:
        raise InvalidUrl("A URL must not contain a fragment (#…): it would never be sent.")
    try:
        parsed = parse_url(url)
    except ValueError:
        raise InvalidUrl("This is not a URL.") from None
    # The transport connects to what urllib3 reads.
    if (parsed.host, parsed.port, parsed.auth) != (host.lower(), port, None):
        raise InvalidUrl("This is not a URL.")
    return url


def origin(url: str) -> str:
    """Return scheme, host and port of `url`, in lower case: whoever is asked there is somebody else elsewhere."""
    parts = _SHOWN.match(url)
    return parts[1].lower() if parts else ""


def shortened(url: str) -> str:
    """Return scheme, host and port of `url`, for lists, logs and errors: the rest may be a credential.

    An ellipsis stands for what is left out, and for all of a text that is no plain URL.
    """
    parts = _SHOWN.match(url)
    return f"{parts[1]}{'/…' if parts[2].strip('/') else parts[2]}" if parts else "…"


def _host_and_port(authority: str) -> tuple[str, int | None]:
    """Take apart what stands between scheme and path. Raises `InvalidUrl` unless it is plain."""
    if "@" in authority:
        raise InvalidUrl("A URL must not contain a user name or password.")
    if "%" in authority:
        raise InvalidUrl("A URL must name a host, without percent signs.")
    if not authority.isascii():
        raise InvalidUrl("A URL must name its host in ASCII: an international name in its form with xn--.")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise InvalidUrl("This is not a URL.")
    host, port = parts.groups()
    _check_host(host)
    if port is not None and not (_PORT.fullmatch(port) and int(port) <= 65535):
        raise InvalidUrl("A port must be a number from 1 to 65535.")
    return host, None if port is None else int(port)


def _check_host(host: str) -> None:
    if not host:
        raise InvalidUrl("A URL must name a host, without percent signs.")
    try:
        if host.startswith("["):
            IPv6Address(host[1:-1])
        elif _NUMBER.fullmatch(host):
            IPv4Address(host)
        elif not _NAME.fullmatch(host):
            raise InvalidUrl("A host must be a name of letters, digits and hyphens, with dots between, or an address.")
    except AddressValueError:
        raise InvalidUrl("An address must be written like 192.0.2.1 or [2001:db8::1].") from None
