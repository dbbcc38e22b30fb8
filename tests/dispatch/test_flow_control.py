"""Limits of endpoints, kept by several worker processes together, as a real receiver sees it."""

import threading
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from dispatch.models import Delivery, EndpointHealth
from dispatch.waiting import Waiting, why_waits
from subscriptions.models import Endpoint
from tests.dispatch.arrivals import arriving
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.limited import RATE, age_redis, done, limited, publish, two_working
from tests.dispatch.receivers import Answer
from tests.dispatch.workers import Worker
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _redis_is_not_new() -> None:
    age_redis()


@pytest.fixture(scope="module")
def workers(process_environment: dict[str, str]) -> Iterator[list[Worker]]:
    with two_working(process_environment) as workers:
        yield workers


def test_a_rate_limit_is_kept_and_used(workers: list[Worker]) -> None:
    with arriving() as arrivals:
        endpoint = limited(arrivals.url, rate_limit=RATE)
        publish(endpoint, 3 * RATE)
        wait_for(lambda: done(endpoint, 3 * RATE))

    assert 0.9 * RATE <= arrivals.most_in(1.0) <= 1.1 * RATE


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
    with arriving(lambda body: Answer(delay=0.05)) as arrivals:
        endpoint = limited(arrivals.url, max_in_flight=2)
        publish(endpoint, 60)
        wait_for(lambda: done(endpoint, 60))

    assert arrivals.receiver.most_under_way == 2


def test_where_a_cap_keeps_others_waiting_the_next_goes_when_one_has_ended(workers: list[Worker]) -> None:
    with arriving(lambda body: Answer(delay=0.02)) as arrivals:
        endpoint = limited(arrivals.url, max_in_flight=1)
        publish(endpoint, 40)
        wait_for(lambda: done(endpoint, 40))

    # 50 if nothing else took time. Looking every 50 ms would be less than 20.
    assert arrivals.per_second() > 25


def test_an_open_breaker_lets_one_try_at_a_time_from_all_workers(workers: list[Worker]) -> None:
    with arriving(lambda body: Answer(500, delay=0.1)) as arrivals:
        endpoint = limited(arrivals.url)
        publish(endpoint, 60)

        def pauses() -> int:
            return EndpointHealth.objects.filter(endpoint=endpoint).values_list("pauses", flat=True).first() or 0

        wait_for(pauses)
        wait_for(lambda: arrivals.receiver.under_way == 0)
        tried, opened, arrivals.receiver.most_under_way = len(arrivals), pauses(), 0
        wait_for(lambda: pauses() >= opened + 2)

    assert arrivals.receiver.most_under_way == 1
    # One more may have begun since.
    assert len(arrivals) - tried <= 3


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


class TestWhatWaitsSaysWhy:
    def pending(self, endpoint: Endpoint, reason: str) -> Callable[[], Waiting | None]:
        def found() -> Waiting | None:
            delivery = Delivery.objects.filter(endpoint=endpoint, status="pending").first()
            waiting = why_waits(delivery, timezone.now()) if delivery else None
            return waiting if waiting and waiting.reason == reason else None

        return found

    def test_for_its_rate(self, workers: list[Worker]) -> None:
        with arriving() as arrivals:
            endpoint = limited(arrivals.url, rate_limit=1, rate_period="hour")
            publish(endpoint, 3)
            waiting = wait_for(self.pending(endpoint, "rate"))

        assert waiting.until is not None
        assert 3000 < (waiting.until - timezone.now()).total_seconds() < 4000

    def test_for_its_cap(self, workers: list[Worker]) -> None:
        answered = threading.Event()
        with arriving(lambda body: Answer(after=answered)) as arrivals:
            endpoint = limited(arrivals.url, max_in_flight=1)
            publish(endpoint, 2)
            waiting = wait_for(self.pending(endpoint, "cap"))
            answered.set()
            wait_for(lambda: done(endpoint, 2))

        assert waiting.until is None

    def test_for_a_receiver_that_has_too_much(self, workers: list[Worker]) -> None:
        with arriving(lambda body: Answer(503 if len(arrivals) == 1 else 200)) as arrivals:
            endpoint = limited(arrivals.url)
            publish(endpoint, 1)
            wait_for(lambda: hasattr(Endpoint.objects.get(id=endpoint.id), "health"))
            publish(endpoint, 8)
            wait_for(self.pending(endpoint, "throttled"))
            wait_for(lambda: done(endpoint, 9))
