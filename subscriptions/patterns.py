"""Event type names and the patterns by which endpoints ask for them."""

import re

MAX_LENGTH = 128
ALL = "*"
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class InvalidEventType(ValueError):
    """A text is neither an event type's name nor, where one is asked for, a pattern."""


def check_name(name: str) -> str:
    """Return `name` if it is an event type's name, such as `invoice.paid`. Raises `InvalidEventType`."""
    if len(name) > MAX_LENGTH or not _NAME.fullmatch(name):
        raise InvalidEventType(
            f"{name!r} is not an event type: write words of letters, digits, '_' and '-' with dots between them, "
            f"such as invoice.paid, at most {MAX_LENGTH} characters."
        )
    return name


def check_pattern(pattern: str) -> str:
    """Return `pattern` if it is a name, a name with a trailing wildcard (`invoice.*`) or `*`.

    Raises `InvalidEventType`.
    """
    if pattern == ALL:
        return pattern
    try:
        check_name(pattern.removesuffix(".*"))
    except InvalidEventType:
        raise InvalidEventType(
            f"{pattern!r} is not an event type pattern: write a name (invoice.paid), "
            "a name with a trailing wildcard (invoice.*) or * for all."
        ) from None
    return pattern


def patterns_matching(name: str) -> list[str]:
    """List every pattern that matches the event type `name`.

    >>> patterns_matching("invoice.paid.late")
    ['*', 'invoice.*', 'invoice.paid.*', 'invoice.paid.late']
    """
    words = name.split(".")
    wildcards = [".".join(words[:end]) + ".*" for end in range(1, len(words))]
    return [ALL, *wildcards, name]
