"""How the admin looks, and what its navigation leads to."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may_view(app: str, model: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(f"{app}.view_{model}")


def _list(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may_view(app, model),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Webhook dispatcher",
    "SITE_HEADER": "Webhook dispatcher",
    "SITE_SYMBOL": "webhook",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("subscriptions/icon.svg")},
    ],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "dispatch.admin.dashboard.context",
    "BORDER_RADIUS": "6px",
    "STYLES": [lambda request: static("subscriptions/admin.css")],
    # Blue, with contrasts of 4.5 and more where it is written on white or on black.
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "items": [{"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")}],
            },
            {
                "title": "What happened",
                "items": [
                    _list("Events", "bolt", "dispatch", "event"),
                    _list("Deliveries", "send", "dispatch", "delivery"),
                    _list("Attempts", "sync_alt", "dispatch", "attempt"),
                    _list("Bulk jobs", "playlist_play", "dispatch", "bulkjob"),
                    _list("Notices", "notifications", "dispatch", "notice"),
                    _list("Mails", "mail", "dispatch", "mail"),
                ],
            },
            {
                "title": "Who wants what",
                "items": [
                    _list("Subscribers", "groups", "subscriptions", "subscriber"),
                    _list("Endpoints", "webhook", "subscriptions", "endpoint"),
                    _list("Event types", "category", "subscriptions", "eventtype"),
                ],
            },
            {
                "title": "Access",
                "items": [
                    _list("Signing secrets", "key", "subscriptions", "signingsecret"),
                    _list("Audit log", "policy", "subscriptions", "auditentry"),
                    _list("API keys", "vpn_key", "subscriptions", "apikey"),
                    _list("Users", "person", "auth", "user"),
                    _list("Groups", "group", "auth", "group"),
                ],
            },
        ],
    },
}
