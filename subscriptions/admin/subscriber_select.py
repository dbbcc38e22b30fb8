from collections.abc import Sequence
from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect

from subscriptions.admin.base import is_id


class SubscriberSelect(AutocompleteSelect):
    """Chooses a subscriber by typing. Django's own widget fails on a text that is no id, such as `?subscriber=x`."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        return super().optgroups(name, [text for text in value if not text or is_id("sub", text)], attrs)
