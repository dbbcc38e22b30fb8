"""What one worker process does for many endpoints at a time: nobody waits for a stranger."""

import threading
from collections.abc import Iterator

import pytest
from django.conf import settings
from redis import Redis

from dispatch.models import Attempt, Delivery, Event
from dispatch.publish import publish_event
from subscriptions.models import Endpoint
from tests.dispatch.deliveries import endpoint_at, settled
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.workers import Worker, working
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SLOTS = 8


@pytest.fixture(scope="module")
def worker(process_environment: dict[str, str]) -> Iterator[Worker]:
    with working(
        process_environment,
        WEBHOOKS_CONCURRENCY=f"{SLOTS}",
        WEBHOOKS_REQUEST_DEADLINE="30",
        WEBHOOKS_CLAIM_LEASE="60",
        WEBHOOKS_PUMP_LINGER="60",
    ) as worker:
        yield worker


@pytest.fixture
def answer_now() -> Iterator[threading.Event]:
    answer_now = threading.Event()
    yield answer_now
    answer_now.set()


def publish(endpoint: Endpoint, number: int = 1) -> list[Event]:
    return [publish_event("invoice.paid", {}, subscriber=endpoint.subscriber).event for _ in range(number)]


def delivered(*endpoints: Endpoint) -> int:
    return Delivery.objects.filter(endpoint__in=endpoints, status="delivered").count()


def test_a_run_that_lingers_delivers_the_next_event_without_a_message(worker: Worker) -> None:
    with receiving() as receiver:
        endpoint = endpoint_at(receiver.url)
        settled(*publish(endpoint))
        with Redis.from_url(settings.REDIS_URL) as redis:
            redis.delete("deliveries")
            for _ in range(10):
                settled(*publish(endpoint))
            # The only process is in its run, so a message would still be there. The worker's own look at the lanes,
            # once a second, may have met the moment between ring and take.
            assert redis.llen("deliveries") <= 1

    assert Attempt.objects.count() == len(receiver.received) == 11


def test_endpoints_that_hang_hold_half_of_the_slots_and_the_others_go_on(
    worker: Worker, answer_now: threading.Event
) -> None:
    with receiving(*[Answer(after=answer_now)] * 24) as hanging, receiving() as healthy:
        healthy_ones = [endpoint_at(healthy.url) for _ in range(3)]
        for endpoint in healthy_ones:
            settled(*publish(endpoint))
        hanging_ones = [endpoint_at(hanging.url) for _ in range(12)]
        for endpoint in hanging_ones:
            publish(endpoint, 2)
        wait_for(lambda: hanging.under_way == SLOTS // 2)

        for endpoint in healthy_ones:
            publish(endpoint, 10)
        wait_for(lambda: delivered(*healthy_ones) == 33)
        assert (hanging.under_way, len(hanging.received)) == (SLOTS // 2, SLOTS // 2)

        answer_now.set()
        wait_for(lambda: delivered(*hanging_ones) == 24)


def test_an_endpoint_that_was_quick_and_hangs_holds_half_of_the_slots(
    worker: Worker, answer_now: threading.Event
) -> None:
    answers = [*[Answer()] * 20, *[Answer(after=answer_now)] * 20]
    with receiving(*answers) as hanging, receiving() as healthy:
        healthy_one, hanging_one = endpoint_at(healthy.url), endpoint_at(hanging.url)
        settled(*publish(healthy_one))
        publish(hanging_one, 40)
        wait_for(lambda: hanging.under_way == SLOTS // 2)

        publish(healthy_one, 20)
        wait_for(lambda: delivered(healthy_one) == 21)
        assert (hanging.under_way, len(hanging.received)) == (SLOTS // 2, 20 + SLOTS // 2)

        answer_now.set()
        wait_for(lambda: delivered(hanging_one) == 40)


def test_an_event_does_not_wait_until_a_burst_at_another_endpoint_is_done(
    worker: Worker, answer_now: threading.Event
) -> None:
    # The burst goes on as soon as the other event has arrived: if it waited for the burst, it would wait for ever.
    answers = [*[Answer()] * 30, *[Answer(after=answer_now)] * 90]
    with receiving(*answers) as busy, receiving() as other:
        busy_one, other_one = endpoint_at(busy.url), endpoint_at(other.url)
        for endpoint in (busy_one, other_one):
            settled(*publish(endpoint))
        burst = publish(busy_one, 100)
        wait_for(lambda: len(busy.received) > 30)

        settled(*publish(other_one))
        assert len(busy.received) <= 30 + SLOTS // 2
        assert delivered(busy_one) < len(burst)

        answer_now.set()
        wait_for(lambda: delivered(busy_one) == 101)
