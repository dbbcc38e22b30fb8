"""Headers of an endpoint's own: which names and values they may have. Pure.

What is accepted arrives at the receiver exactly as it was given, and alone: names are tokens (RFC 9110,
section 5.6.2), values are one line, and no name means anything to the dispatcher, to HTTP or to a proxy on the way.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

AUTHORIZATION = "Authorization"
MAX_NAME = 100

_NAME = re.compile(rf"[!#$%&'*+\-.^_`|~0-9A-Za-z]{{1,{MAX_NAME}}}")
# Latin 1 (RFC 9110, section 5.5) without its control characters, of which a tab alone may stand within, and without
# spaces at the ends, which receivers take away.
_VALUE = re.compile(r"[!-~\xa1-\xff](?:[\t -~\xa0-\xff]*[!-~\xa1-\xff])?")
_TAKEN = frozenset(
    {
        # The dispatcher's own.
        *("accept-encoding", "host", "user-agent"),
        # What HTTP itself does with a connection or a message.
        *("connection", "expect", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        # What tells a receiver where a request came from, and is written by proxies.
        *("forwarded", "via", "x-real-ip"),
        # What makes another method of a POST.
        *("x-http-method", "x-http-method-override", "x-method-override"),
        # What opens the metadata services of clouds: a second lock, behind the guard of addresses.
        *("metadata", "metadata-flavor", "x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"),
    }
)
_TAKEN_BEGINNINGS = ("content-", "proxy-", "webhook-", "x-forwarded-")


class InvalidHeader(ValueError):
    """A header cannot be an endpoint's own. The message never contains its value."""


def check_name(name: Any, *, taken: Collection[str] = ()) -> str:
    """Return `name` if a header may have it. `taken` are others that it may not have, in lower case.

    Raises `InvalidHeader`.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidHeader(
            f"A header's name is made of letters, digits and any of !#$%&'*+-.^_`|~, at most {MAX_NAME} characters."
        )
    lower = name.lower()
    if lower in _TAKEN or lower.startswith(_TAKEN_BEGINNINGS):
        raise InvalidHeader(f"The header {name} is not yours to set: the dispatcher, HTTP or a proxy writes it.")
    if lower in taken:
        raise InvalidHeader(
            f"The header {name} is in use already: for a signature, the credentials or as one of your own."
        )
    return name


def check_value(name: str, value: Any) -> str:
    """Return `value` if the header `name` may have it. Raises `InvalidHeader`."""
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise InvalidHeader(
            f"The value of {name} must be a text of one line, in Latin 1, not empty, "
            "without control characters and without spaces at its ends."
        )
    return value


def check_headers(
    headers: Any, *, taken: Collection[str] = (), at_most: int | None = None, size: int | None = None
) -> dict[str, str]:
    """Return `headers`, values by name, if an endpoint may have them all.

    `at_most` is how many there may be and `size` how many bytes names and values may have together. Raises
    `InvalidHeader`.
    """
    if not isinstance(headers, Mapping):
        raise InvalidHeader("Write headers as an object: values by name.")
    if at_most is not None and len(headers) > at_most:
        raise InvalidHeader(f"An endpoint may have {at_most} headers of its own, not {len(headers)}.")
    checked = {check_name(name, taken=taken): check_value(name, value) for name, value in headers.items()}
    if len({name.lower() for name in checked}) < len(checked):
        raise InvalidHeader("Name each header once: upper and lower case are the same.")
    total = sum(len(name) + len(value) for name, value in checked.items())
    if size is not None and total > size:
        raise InvalidHeader(f"Names and values may have {size} bytes together, not {total}.")
    return checked
