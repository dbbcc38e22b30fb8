"""Longer texts on admin pages."""

from django.utils.html import format_html


def code(text: str) -> str:
    """Show `text` line by line, in a typewriter face."""
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere; margin: 0">{}</pre>', text or "-")
