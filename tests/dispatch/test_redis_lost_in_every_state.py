"""Redis is emptied while an endpoint waits for a reason. Nothing is lost, and nothing goes before its time.

Rates, caps and killed workers are in `test_flow_control_loss`, the breaker in `test_endpoint_health`.
"""

import json
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.utils import timezone
from redis import Redis

from dispatch.models import Delivery, EndpointHealth
from subscriptions.models import Endpoint, EndpointState
from tests.dispatch.arrivals import Arrivals, arriving
from tests.dispatch.limited import age_redis, done, limited, publish, two_working
from tests.dispatch.receivers import Answer
from tests.dispatch.workers import Worker
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = 6


@pytest.fixture(scope="module")
def workers(process_environment: dict[str, str]) -> Iterator[list[Worker]]:
    with two_working(process_environment, WEBHOOKS_RETRY_SCHEDULE="0.1,0.1") as workers:
        yield workers


@pytest.fixture(autouse=True)
def _redis_is_not_new() -> None:
    age_redis()


def lose_redis() -> None:
    """Empty it, and wait until a sweep has rebuilt it."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.flushdb()
        wait_for(lambda: redis.exists("{webhooks}:swept"))


def move(endpoint: Endpoint, state: str) -> None:
    endpoint.change_state(EndpointState(state), reason="", now=timezone.now())


def numbers(arrivals: Arrivals) -> list[int]:
    return [json.loads(body)["number"] for body in arrivals.bodies]


@pytest.mark.parametrize(("state", "flow"), [("paused", {}), ("disabled", {"when_disabled": "keep"})])
def test_what_waits_for_an_endpoint_waits_on_and_goes_out_then(
    workers: list[Worker], state: str, flow: dict[str, str]
) -> None:
    with arriving() as arrivals:
        endpoint = limited(arrivals.url, **flow)
        move(endpoint, state)
        publish(endpoint, EVENTS)
        lose_redis()
        assert (len(arrivals), Delivery.objects.filter(status="pending").count()) == (0, EVENTS)
        move(endpoint, "active")
        wait_for(lambda: done(endpoint, EVENTS))


def test_what_was_dropped_stays_dropped(workers: list[Worker]) -> None:
    with arriving() as arrivals:
        endpoint = limited(arrivals.url)
        move(endpoint, "disabled")
        publish(endpoint, EVENTS)
        lose_redis()
        move(endpoint, "active")
        publish(endpoint, 1)
        wait_for(lambda: done(endpoint, 1))
        assert len(arrivals) == 1


def test_a_time_that_the_receiver_has_asked_for_is_kept(workers: list[Worker]) -> None:
    with arriving(lambda body: Answer(503, {"Retry-After": "2"}) if len(arrivals) == 1 else Answer()) as arrivals:
        endpoint = limited(arrivals.url, max_in_flight=1)
        publish(endpoint, EVENTS)
        wait_for(lambda: EndpointHealth.objects.filter(endpoint=endpoint, closed_because="retry_after").exists())
        lose_redis()
        wait_for(lambda: done(endpoint, EVENTS))

    first, second, *_ = sorted(arrivals.times)
    assert second - first >= 2.0


def test_one_that_gets_less_gets_no_more(workers: list[Worker]) -> None:
    refused_at: list[float] = []

    def overloaded(body: bytes) -> Answer:
        if len(arrivals) > 10 and not refused_at:
            refused_at.append(time.monotonic())
            return Answer(429)
        return Answer()

    with arriving(overloaded) as arrivals:
        endpoint = limited(arrivals.url, max_in_flight=2)
        publish(endpoint, 30)
        wait_for(lambda: refused_at)
        lose_redis()
        wait_for(lambda: done(endpoint, 30))

    # Half of what it got, and a tenth more each second: the others would be there at once.
    assert sum(refused_at[0] + 0.2 < at <= refused_at[0] + 1.2 for at in arrivals.times) <= 12


def test_an_order_is_kept(workers: list[Worker]) -> None:
    with arriving(lambda body: Answer(500 if len(arrivals) == 2 else 200)) as arrivals:
        endpoint = limited(arrivals.url, ordered=True)
        publish(endpoint, EVENTS)
        wait_for(lambda: len(arrivals) >= 2)
        lose_redis()
        wait_for(lambda: done(endpoint, EVENTS))

    assert list(dict.fromkeys(numbers(arrivals))) == list(range(EVENTS))


def test_one_that_is_blocked_stays_blocked(workers: list[Worker]) -> None:
    with arriving(lambda body: Answer(500 if b":0}" in body else 200)) as arrivals:
        endpoint = limited(arrivals.url, ordered=True)
        publish(endpoint, EVENTS)
        wait_for(lambda: Delivery.objects.filter(endpoint=endpoint, status="failed").exists())
        lose_redis()
        assert set(numbers(arrivals)) == {0}
        endpoint.when_head_fails = "skip"
        endpoint.save()
        wait_for(lambda: done(endpoint, EVENTS - 1))


def test_a_retry_is_made_when_it_is_due(workers: list[Worker]) -> None:
    with arriving(lambda body: Answer(500 if len(arrivals) == 1 else 200)) as arrivals:
        endpoint = limited(arrivals.url, retry_schedule=[1])
        publish(endpoint, 1)
        wait_for(lambda: Delivery.objects.filter(endpoint=endpoint, status="pending", attempt_count=1).exists())
        lose_redis()
        wait_for(lambda: done(endpoint, 1))

    first, second = arrivals.times
    assert second - first >= 1.0
