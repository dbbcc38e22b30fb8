"""Channels: names beside the event type by which endpoints choose events, such as `project_7`."""

import re
from typing import Any

MAX_LENGTH = 128
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")


class InvalidChannels(ValueError):
    """What was given is not a list of channels."""


def check_channels(given: Any, *, at_most: int) -> list[str]:
    """Return the channels in `given` in alphabetical order, each once. Raises `InvalidChannels`."""
    if not isinstance(given, list | tuple):
        raise InvalidChannels("Write a list of channels.")
    for name in given:
        if not isinstance(name, str) or len(name) > MAX_LENGTH or not _NAME.fullmatch(name):
            raise InvalidChannels(
                f"{name!r} is not a channel: write letters, digits and . _ : -, at most {MAX_LENGTH} characters."
            )
    channels = sorted(set(given))
    if len(channels) > at_most:
        raise InvalidChannels(f"{len(channels)} channels are too many: name at most {at_most}.")
    return channels
