"""An ordered endpoint, through a thousand events, random failures, a killed worker and a Redis that is lost."""

import json
import random
import threading

import pytest
from django.conf import settings
from redis import Redis

from dispatch.models import Delivery
from dispatch.publish import Wanted, publish_events
from tests.chaos.conftest import four_processes
from tests.dispatch.arrivals import arriving
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.receivers import Answer
from tests.waiting import wait_for

EVENTS = 1_000
SETTINGS = {
    # Each ends by success only, however often it fails.
    "WEBHOOKS_RETRY_SCHEDULE": ",".join(["0.01"] * 100),
    "WEBHOOKS_BREAKER_MINIMUM": "100000",
    "WEBHOOKS_PUMP_SLICE": "2",
    "WEBHOOKS_CLAIM_LEASE": "2",
}


@pytest.mark.django_db(transaction=True)
def test_nobody_overtakes(process_environment: dict[str, str], chance: random.Random) -> None:
    lock = threading.Lock()
    arrived: list[int] = []
    succeeded = -1
    overtakers: list[int] = []

    def now_and_then(body: bytes) -> Answer:
        nonlocal succeeded
        number = json.loads(body)["number"]
        with lock:
            arrived.append(number)
            # The one before must have succeeded; what was sent may come again.
            if number > succeeded + 1:
                overtakers.append(number)
            if chance.random() < 0.1:
                return Answer(500)
            if chance.random() < 0.003:
                # Longer than anybody waits for it.
                return Answer(delay=1.5)
            succeeded = max(succeeded, number)
        return Answer()

    with (
        arriving(now_and_then) as arrivals,
        four_processes(process_environment, **SETTINGS) as workers,
        Redis.from_url(settings.REDIS_URL) as redis,
    ):
        endpoint = endpoint_at(arrivals.url, ordered=True)
        publish_events([Wanted("invoice.paid", {"number": n}, endpoint.subscriber) for n in range(EVENTS)])
        wait_for(lambda: len(arrivals) > EVENTS / 3, 60)
        workers[0].kill()
        wait_for(lambda: len(arrivals) > EVENTS / 2, 60)
        redis.flushdb()
        wait_for(lambda: not Delivery.objects.exclude(status="delivered").exists(), 120)

    assert overtakers == []
    firsts = list(dict.fromkeys(arrived))
    assert firsts == list(range(EVENTS))
