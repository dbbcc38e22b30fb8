"""Public ids: a prefix that names the kind, and a UUID version 7 that orders by time.

`evt_06t3q8n4k1p7r9s2v5w8x0y1zc`: the 128 bits of the UUID in base32hex (RFC 4648, section 7), which
sorts as the bytes do, in lower case and without padding.
"""

import secrets
import time
import uuid

# base32hex has 5 bits a character: 26 of them hold 128 bits, and 2 bits of padding at the end. Written by
# looking up two characters at a time; `int` reads this alphabet as base 32.
_LENGTH = 26
_PADDING = 2
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)


class InvalidId(ValueError):
    """A text is not an id of the expected kind."""


def uuid7() -> uuid.UUID:
    """Make a UUID version 7 (RFC 9562, section 5.7) that orders by time within a process and across hosts.

    The 12 bits after the milliseconds hold the fraction of the millisecond (section 6.2, method 3).
    """
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62)
    return uuid.UUID(int=value)


def encode(prefix: str, value: uuid.UUID) -> str:
    """Write `value` as a public id: `encode("evt", u)` gives `evt_` and 26 characters."""
    padded = value.int << _PADDING
    return f"{prefix}_{''.join([_PAIRS[padded >> shift & 1023] for shift in _SHIFTS])}"


def decode(prefix: str, text: str) -> uuid.UUID:
    """Read a public id with this prefix. Raises `InvalidId`, whose text says what was expected."""
    kind, separator, encoded = text.partition("_")
    try:
        value = uuid.UUID(int=int(encoded, 32) >> _PADDING)
    except ValueError:
        value = None
    if kind != prefix or not separator or value is None or len(encoded) != _LENGTH:
        raise InvalidId(f"{text!r} is not an id that starts with {prefix}_.")
    # `int` takes more than the alphabet, such as capital letters and signs.
    if encode(prefix, value) != text:
        raise InvalidId(f"{text!r} is not an id that starts with {prefix}_: ids are lower case.")
    return value
