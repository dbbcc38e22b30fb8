"""What templates show of the settings."""

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def egress_ips() -> list[str]:
    """List the networks that requests come from."""
    return [str(network) for network in settings.WEBHOOKS.egress_ips]
