"""A cap of requests under way, over several processes, a killed worker and a Redis that is lost."""

import pytest
from django.conf import settings
from redis import Redis

from tests.chaos.conftest import four_processes
from tests.dispatch.arrivals import arriving
from tests.dispatch.limited import SETTINGS, done, limited, publish
from tests.dispatch.receivers import Answer
from tests.waiting import wait_for

EVENTS = 300
CAP = 4
SECONDS = 0.05


@pytest.mark.django_db(transaction=True)
def test_it_is_used(process_environment: dict[str, str]) -> None:
    with (
        arriving(lambda body: Answer(delay=SECONDS)) as arrivals,
        four_processes(process_environment, **SETTINGS),
    ):
        endpoint = limited(arrivals.url, max_in_flight=CAP)
        publish(endpoint, EVENTS)
        wait_for(lambda: done(endpoint, EVENTS))

    assert arrivals.receiver.most_under_way == CAP
    # A receiver that answers after 50 ms would get 80 in a second if nothing else took time.
    assert arrivals.per_second() >= 0.75 * CAP / SECONDS


@pytest.mark.django_db(transaction=True)
def test_it_is_kept_whatever_is_lost(process_environment: dict[str, str]) -> None:
    with (
        arriving(lambda body: Answer(delay=SECONDS)) as arrivals,
        four_processes(process_environment, **SETTINGS) as workers,
        Redis.from_url(settings.REDIS_URL) as redis,
    ):
        endpoint = limited(arrivals.url, max_in_flight=CAP)
        publish(endpoint, EVENTS)
        wait_for(lambda: len(arrivals) > EVENTS / 4)
        redis.flushdb()
        wait_for(lambda: len(arrivals) > EVENTS / 2)
        workers[0].kill()
        wait_for(lambda: done(endpoint, EVENTS))

    assert arrivals.receiver.most_under_way == CAP
