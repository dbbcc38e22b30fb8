"""What tests of limited endpoints share."""

import contextlib
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from redis import Redis

from dispatch.models import Delivery
from dispatch.publish import Wanted, publish_events
from subscriptions.models import Endpoint
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.workers import Worker, working

RATE = 40
SETTINGS = {
    # A lane changes hands often.
    "WEBHOOKS_PUMP_SLICE": "1",
    "WEBHOOKS_CONCURRENCY": "16",
    "WEBHOOKS_BREAKER_PAUSE": "0.4",
    "WEBHOOKS_THROTTLE_STEP": "1",
}


def age_redis() -> None:
    """Let Redis be there for long: where it was just emptied, limited endpoints wait until all have noticed."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.set("{webhooks}:lanes:since", 1)


@contextlib.contextmanager
def two_working(environment: dict[str, str], **changes: str) -> Iterator[list[Worker]]:
    with (
        working(environment, **{**SETTINGS, **changes}) as one,
        working(environment, **{**SETTINGS, **changes}) as other,
    ):
        yield [one, other]


def publish(endpoint: Endpoint, count: int) -> None:
    publish_events([Wanted("invoice.paid", {"number": n}, endpoint.subscriber) for n in range(count)])


def limited(url: str, **flow: Any) -> Endpoint:
    return endpoint_at(url, **flow)


def delivered(endpoint: Endpoint) -> int:
    return Delivery.objects.filter(endpoint=endpoint, status="delivered").count()


def done(endpoint: Endpoint, count: int) -> bool:
    return delivered(endpoint) == count
