"""What tests of deliveries share."""

from dispatch.models import Delivery, Event
from subscriptions.models import Endpoint, Subscriber
from tests.waiting import wait_for


def endpoint_at(url: str, **options: object) -> Endpoint:
    """Register an endpoint of a new subscriber."""
    subscriber = Subscriber.objects.create(name="Acme")
    return Endpoint.objects.register(subscriber=subscriber, url=url, **options)[0]


def settled(event: Event) -> Delivery:
    """Wait until the only delivery of `event` has come to its end."""
    ends = Delivery.objects.filter(event=event, status__in=["delivered", "failed", "cancelled"])
    return wait_for(ends.first)


def outcomes(delivery: Delivery) -> list[tuple[int, str, int | None]]:
    """List number, outcome and status of each attempt."""
    return list(delivery.attempts.order_by("number").values_list("number", "outcome", "status_code"))
