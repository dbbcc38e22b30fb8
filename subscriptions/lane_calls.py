"""Who is called when endpoints can be served again, or are no more. This app knows no app above it."""

from collections.abc import Callable

_on_active: list[Callable[[str], None]] = []
_on_removed: list[Callable[[], None]] = []


def when_active(call: Callable[[str], None]) -> None:
    """Have `call` called with the id of an endpoint after the commit that made it active. It must not raise."""
    _on_active.append(call)


def when_removed(call: Callable[[], None]) -> None:
    """Have `call` called after the commit that removed endpoints. It must not raise, nor take long."""
    _on_removed.append(call)


def call_active(endpoint_id: str) -> None:
    """Call whoever serves endpoints."""
    for each in _on_active:
        each(endpoint_id)


def call_removed() -> None:
    """Call whoever cancels what waits for endpoints that were removed."""
    for each in _on_removed:
        each()
