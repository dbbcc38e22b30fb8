"""Who is called when an endpoint is to be challenged. This app sends nothing itself and knows no app above it."""

from collections.abc import Callable

_calls: list[Callable[[], None]] = []


def when_due(call: Callable[[], None]) -> None:
    """Have `call` called after the commit that made a challenge fall due. It must not raise, nor take long."""
    _calls.append(call)


def call() -> None:
    """Call whoever sends challenges."""
    for each in _calls:
        each()
