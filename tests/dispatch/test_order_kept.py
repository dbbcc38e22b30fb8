"""Ordered endpoints, as a real receiver sees them, through failures and killed workers."""

import json
import threading

import pytest

from dispatch.models import Delivery
from dispatch.publish import Wanted, publish_events
from subscriptions.models import Endpoint
from tests.dispatch.arrivals import Arrivals, arriving
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.receivers import Answer
from tests.dispatch.workers import working
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = 300
KEYS = 3
# Ends by success only, however often it fails.
RETRIES = ",".join(["0.01"] * 100)
SETTINGS = {"WEBHOOKS_RETRY_SCHEDULE": RETRIES, "WEBHOOKS_BREAKER_MINIMUM": "100000", "WEBHOOKS_CLAIM_LEASE": "2"}


def numbers(arrivals: Arrivals) -> list[tuple[int, int]]:
    return [(json.loads(body)["key"], json.loads(body)["number"]) for body in arrivals.bodies]


def ordered(number: int, endpoint: Endpoint) -> Wanted:
    key = number % KEYS
    data = {"key": key, "number": number // KEYS}
    return Wanted("invoice.paid", data, endpoint.subscriber, ordering_key=str(key))


def test_nobody_overtakes_whatever_fails_and_whoever_is_killed(process_environment: dict[str, str]) -> None:
    lock, succeeded = threading.Lock(), [-1] * KEYS
    overtakers: list[tuple[int, int]] = []
    seen = 0

    def now_and_then(body: bytes) -> Answer:
        nonlocal seen
        event = json.loads(body)
        key, number = event["key"], event["number"]
        with lock:
            seen += 1
            # The one before must have succeeded; what was sent may come again.
            if number > succeeded[key] + 1:
                overtakers.append((key, number))
            if seen % 5 == 0:
                return Answer(500)
            succeeded[key] = max(succeeded[key], number)
        return Answer()

    with arriving(now_and_then) as arrivals:
        endpoint = endpoint_at(arrivals.url, ordered=True)
        with working(process_environment, **SETTINGS) as first, working(process_environment, **SETTINGS):
            publish_events([ordered(n, endpoint) for n in range(EVENTS)])
            wait_for(lambda: len(arrivals) > EVENTS / 3)
            first.kill()
            wait_for(lambda: not Delivery.objects.exclude(status="delivered").exists(), 60)

    assert overtakers == []
    assert succeeded == [EVENTS // KEYS - 1] * KEYS


def test_one_that_failed_for_good_stops_its_line_until_it_is_cancelled(process_environment: dict[str, str]) -> None:
    with (
        arriving(lambda body: Answer(500 if json.loads(body)["number"] == 0 else 200)) as arrivals,
        working(process_environment),
    ):
        endpoint = endpoint_at(arrivals.url, ordered=True)
        publish_events([Wanted("invoice.paid", {"key": 0, "number": n}, endpoint.subscriber) for n in range(3)])
        wait_for(lambda: Delivery.objects.filter(status="failed").exists())
        assert [number for _, number in numbers(arrivals)] == [0, 0, 0]

        endpoint.when_head_fails = "skip"
        endpoint.save()
        wait_for(lambda: Delivery.objects.filter(status="delivered").count() == 2)

    assert [number for _, number in numbers(arrivals)] == [0, 0, 0, 1, 2]


def test_what_stands_in_line_goes_out_where_the_order_was_given_up(process_environment: dict[str, str]) -> None:
    with arriving() as arrivals, working(process_environment):
        endpoint = endpoint_at(arrivals.url, ordered=True)
        endpoint.state = "paused"
        endpoint.save()
        publish_events([Wanted("invoice.paid", {"key": 0, "number": n}, endpoint.subscriber) for n in range(5)])
        endpoint.ordered, endpoint.state = False, "active"
        endpoint.save()
        wait_for(lambda: Delivery.objects.filter(status="delivered").count() == 5)
