"""Links from one page to another."""

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from subscriptions.endpoint_urls import shortened
from subscriptions.models import Endpoint


def address(row: Model) -> str:
    """Return the address of a row's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(row.pk)])


def link(row: Model, text: str) -> SafeString:
    return format_html('<a class="wd-link" href="{}">{}</a>', address(row), text)


def endpoint_link(endpoint: Endpoint) -> SafeString:
    # Not the whole: it may be a credential.
    return link(endpoint, endpoint.description or shortened(endpoint.url))
