"""Limits of endpoints, kept by several worker processes together, as a real receiver sees it."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from dispatch.models import Delivery
from dispatch.publish import Wanted, publish_events
from subscriptions.models import Endpoint
from tests.dispatch.arrivals import arriving
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.receivers import Answer
from tests.dispatch.workers import Worker, working
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

RATE = 40
SETTINGS = {
    # A lane changes hands often.
    "WEBHOOKS_PUMP_SLICE": "0.3",
    "WEBHOOKS_CONCURRENCY": "16",
    "WEBHOOKS_BREAKER_PAUSE": "0.4",
    "WEBHOOKS_THROTTLE_STEP": "1",
}


@pytest.fixture(autouse=True)
def _redis_is_not_new() -> None:
    """Where Redis was just emptied, limited endpoints wait until all have noticed."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.set("{webhooks}:lanes:since", 1)


@contextlib.contextmanager
def two_working(environment: dict[str, str], **changes: str) -> Iterator[list[Worker]]:
    with (
        working(environment, **{**SETTINGS, **changes}) as one,
        working(environment, **{**SETTINGS, **changes}) as other,
    ):
        yield [one, other]


@pytest.fixture(scope="module")
def workers(process_environment: dict[str, str]) -> Iterator[list[Worker]]:
    with two_working(process_environment) as workers:
        yield workers


def publish(endpoint: Endpoint, count: int) -> None:
    publish_events([Wanted("invoice.paid", {"number": n}, endpoint.subscriber) for n in range(count)])


def limited(url: str, **flow: Any) -> Endpoint:
    return endpoint_at(url, **flow)


def delivered(endpoint: Endpoint) -> int:
    return Delivery.objects.filter(endpoint=endpoint, status="delivered").count()


def done(endpoint: Endpoint, count: int) -> bool:
    return delivered(endpoint) == count


def test_a_rate_limit_is_kept_and_used(workers: list[Worker]) -> None:
    with arriving() as arrivals:
        endpoint = limited(arrivals.url, rate_limit=RATE)
        publish(endpoint, 3 * RATE)
        wait_for(lambda: done(endpoint, 3 * RATE))

    assert arrivals.most_in(1.0) <= 1.1 * RATE
    assert 0.9 * RATE <= arrivals.per_second() <= RATE


def test_the_rate_limit_of_a_subscriber_is_that_of_its_endpoints(workers: list[Worker]) -> None:
    with arriving() as arrivals:
        endpoint = endpoint_at(arrivals.url)
        endpoint.subscriber.rate_limit = 600
        endpoint.subscriber.rate_period = "minute"
        endpoint.subscriber.save()
        publish(endpoint, 45)
        wait_for(lambda: done(endpoint, 45))

    # Ten a second, after a burst of a twentieth of the minute.
    assert len(arrivals) == 45
    assert arrivals.most_in(0.2) <= 31 + 2


def test_a_cap_is_kept_and_used(workers: list[Worker]) -> None:
    def slowly(body: bytes) -> Answer:
        time.sleep(0.02)
        return Answer()

    with arriving(slowly) as arrivals:
        endpoint = limited(arrivals.url, max_in_flight=3)
        publish(endpoint, 60)
        wait_for(lambda: done(endpoint, 60))

    assert arrivals.receiver.most_under_way == 3


def test_a_receiver_that_comes_back_gets_no_more_than_its_rate(workers: list[Worker]) -> None:
    is_up = threading.Event()
    with arriving(lambda body: Answer(200 if is_up.is_set() else 500)) as arrivals:
        endpoint = limited(arrivals.url, rate_limit=RATE)
        publish(endpoint, 2 * RATE)
        wait_for(lambda: hasattr(Endpoint.objects.get(id=endpoint.id), "health"))
        wait_for(lambda: Endpoint.objects.get(id=endpoint.id).health.pauses > 0)
        is_up.set()
        wait_for(lambda: not Delivery.objects.filter(endpoint=endpoint, status__in=["pending", "sending"]).exists())

    assert arrivals.most_in(1.0) <= 1.1 * RATE


def test_a_killed_worker_and_a_lost_redis_let_no_more_through(process_environment: dict[str, str]) -> None:
    with arriving() as arrivals, two_working(process_environment, WEBHOOKS_PUMP_SLICE="30") as workers:
        endpoint = limited(arrivals.url, rate_limit=RATE)
        publish(endpoint, 3 * RATE)
        wait_for(lambda: len(arrivals) > 10)
        with Redis.from_url(settings.REDIS_URL) as redis:
            redis.flushdb()
        wait_for(lambda: len(arrivals) > 30)
        workers[0].kill()
        wait_for(lambda: done(endpoint, 3 * RATE))

    assert arrivals.most_in(1.0) <= 1.1 * RATE


def test_a_cap_counts_what_a_killed_worker_had_under_way(process_environment: dict[str, str]) -> None:
    never = threading.Event()
    with arriving(lambda body: Answer(after=None if len(arrivals) > 2 else never)) as arrivals:
        endpoint = limited(arrivals.url, max_in_flight=2)
        Endpoint.objects.filter(id=endpoint.id).update(created_at=endpoint.created_at)
        with working(process_environment, **SETTINGS) as worker:
            publish(endpoint, 1)
            wait_for(lambda: arrivals.receiver.under_way == 1)
            worker.kill()
        publish(endpoint, 5)
        with working(process_environment, **SETTINGS):
            wait_for(lambda: delivered(endpoint) > 0 or len(arrivals) > 1)
            assert arrivals.receiver.most_under_way <= 2
            never.set()
            wait_for(lambda: done(endpoint, 6))

    assert arrivals.receiver.most_under_way <= 2
