"""Where a request comes from."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Return the address of the client, as the outermost proxy that is trusted saw it. None where nobody knows it.

    Each proxy appends whom it saw to `X-Forwarded-For`: what stands before the entries of the trusted ones is
    whatever the client wrote.
    """
    seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    proxies = settings.WEBHOOKS.trusted_proxies
    text = seen[-proxies] if 0 < proxies <= len(seen) else request.META.get("REMOTE_ADDR", "")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
