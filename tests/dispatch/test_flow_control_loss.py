"""Limits of endpoints where workers are killed and Redis is lost. Each test runs workers of its own."""

import threading

import pytest
from django.conf import settings
from redis import Redis

from tests.dispatch.arrivals import arriving
from tests.dispatch.limited import RATE, SETTINGS, age_redis, done, limited, publish, two_working
from tests.dispatch.receivers import Answer
from tests.dispatch.workers import working
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _redis_is_not_new() -> None:
    age_redis()


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
    # Nobody knows when that ends at the receiver: it counts for as long as its claim lasts.
    never = threading.Event()
    with arriving(lambda body: Answer(after=never if len(arrivals) == 1 else None)) as arrivals:
        endpoint = limited(arrivals.url, max_in_flight=2)
        with working(process_environment, **SETTINGS, WEBHOOKS_CLAIM_LEASE="60") as worker:
            publish(endpoint, 1)
            wait_for(lambda: arrivals.receiver.under_way == 1)
            worker.kill()
        publish(endpoint, 10)
        with working(process_environment, **SETTINGS, WEBHOOKS_CLAIM_LEASE="60"):
            wait_for(lambda: done(endpoint, 10))
        assert arrivals.receiver.most_under_way == 2
        never.set()
