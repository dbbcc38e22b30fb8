from collections.abc import Sequence
from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect
from django.forms import Media

from subscriptions.admin.base import is_id


class SubscriberSelect(AutocompleteSelect):
    """Chooses a subscriber by typing. Django's own widget fails on a text that is no id, such as `?subscriber=x`."""

    def build_attrs(self, base_attrs: dict[str, Any], extra_attrs: dict[str, Any] | None = None) -> dict[str, Any]:
        attrs = super().build_attrs(base_attrs, extra_attrs)
        return attrs | {
            "data-placeholder": "Choose a subscriber",
            "class": f"unfold-admin-autocomplete {attrs['class']}",
        }

    @property
    def media(self) -> Media:
        return super().media + Media(js=["admin/js/autocomplete.js", "subscriptions/name_selects.js"])

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        return super().optgroups(name, [text for text in value if not text or is_id("sub", text)], attrs)
