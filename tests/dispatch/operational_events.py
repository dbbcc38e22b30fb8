"""What tests of operational events share."""

import json
from typing import Any

from dispatch.models import Event
from subscriptions.models import Endpoint, Subscriber


def operators(url: str = "https://operators.example/hooks") -> Endpoint:
    """Register an endpoint of operators, which wants everything."""
    subscriber = Subscriber.objects.register(name="Operations", is_operator=True)
    return Endpoint.objects.register(subscriber=subscriber, url=url)[0]


def told(endpoint: Endpoint | None = None) -> list[dict[str, Any]]:
    """Give what operational events say, all or those about one endpoint, in the order of publishing."""
    said = [json.loads(event.payload) for event in Event.objects.filter(type__startswith="operational.").order_by("id")]
    return [each for each in said if endpoint is None or each.get("endpoint", {}).get("id") == endpoint.id]
