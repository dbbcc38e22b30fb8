"""The form of an endpoint's URL. Which addresses may be reached is judged at every connection, not here."""

import re

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

MAX_LENGTH = 2048
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")


class InvalidUrl(ValueError):
    """A text is not a URL that an endpoint can have."""


def check_url(url: str) -> str:
    """Return `url` if it is an http or https URL that every parser reads alike. Raises `InvalidUrl`.

    Refused beside other schemes: credentials in the URL (they would end up in logs), fragments (they are
    never sent), backslashes, control characters, percent signs and zone ids in the host (parsers disagree
    about them).
    """
    if len(url) > MAX_LENGTH:
        raise InvalidUrl(f"A URL must not be longer than {MAX_LENGTH} characters.")
    if _FORBIDDEN.search(url):
        raise InvalidUrl("A URL must not contain spaces, backslashes or control characters.")
    try:
        parts = parse_url(url)
    except LocationParseError:
        raise InvalidUrl("This is not a URL.") from None
    if parts.scheme not in {"http", "https"}:
        raise InvalidUrl("A URL must start with https:// or http://.")
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if parts.auth is not None or "@" in authority:
        raise InvalidUrl("A URL must not contain a user name or password.")
    if not parts.host or "%" in authority:
        raise InvalidUrl("A URL must name a host, without percent signs.")
    if parts.fragment is not None:
        raise InvalidUrl("A URL must not contain a fragment (#…): it would never be sent.")
    return url
