"""Metadata: what a platform notes beside a subscriber or an endpoint. The dispatcher only keeps it."""

from typing import Any

MAX_KEY = 100


class InvalidMetadata(ValueError):
    """What was given cannot be kept as metadata."""


def check_metadata(given: Any, *, at_most: int, size: int) -> dict[str, str]:
    """Return `given` if it is a map of texts, of so many entries and `size` bytes at most. Raises `InvalidMetadata`."""
    if not isinstance(given, dict):
        raise InvalidMetadata('Write an object of texts, such as {"plan": "gold"}.')
    for key, value in given.items():
        if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY:
            raise InvalidMetadata(f"The key {key!r} does not fit: write 1 to {MAX_KEY} characters.")
        if not isinstance(value, str):
            raise InvalidMetadata(f"The value of {key!r} must be a text.")
    if len(given) > at_most:
        raise InvalidMetadata(f"{len(given)} entries are too many: at most {at_most} are kept.")
    try:
        bytes_in_all = sum(len(text.encode()) for entry in given.items() for text in entry)
    except UnicodeEncodeError:
        raise InvalidMetadata("There is half of a character in it.") from None
    if bytes_in_all > size:
        raise InvalidMetadata(f"{bytes_in_all} bytes are too many: at most {size} are kept in all.")
    if any("\0" in text for entry in given.items() for text in entry):
        raise InvalidMetadata("Null characters are not allowed.")
    return given
