"""A receiver comes back, and 20,000 deliveries wait for it.

The pace makes up for looking 30 ms late: a machine that is busy with something else does not reach nine tenths.
"""

import threading

import pytest

from dispatch.models import EndpointHealth
from dispatch.publish import Wanted, publish_events
from tests.chaos.conftest import four_processes
from tests.dispatch.arrivals import arriving
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.limited import done
from tests.dispatch.receivers import Answer
from tests.waiting import wait_for

EVENTS = 20_000
RATE = 500
AT_ONCE = 1_000


@pytest.mark.django_db(transaction=True)
def test_no_second_has_more_than_its_limit_and_all_seconds_are_used(process_environment: dict[str, str]) -> None:
    is_up = threading.Event()
    # Meanwhile the lane changes hands, and one breaker opens again and again.
    settings = {"WEBHOOKS_PUMP_SLICE": "10", "WEBHOOKS_BREAKER_PAUSE": "0.5", "WEBHOOKS_RETRY_SCHEDULE": "1,1,1,1,1"}
    with arriving(lambda body: Answer(200 if is_up.is_set() else 500)) as arrivals:
        endpoint = endpoint_at(arrivals.url, rate_limit=RATE)
        with four_processes(process_environment, **settings):
            for start in range(0, EVENTS, AT_ONCE):
                numbers = range(start, start + AT_ONCE)
                publish_events([Wanted("invoice.paid", {"number": n}, endpoint.subscriber) for n in numbers])
            wait_for(lambda: EndpointHealth.objects.filter(endpoint=endpoint, pauses__gte=2).exists())
            burnt = len(arrivals)
            is_up.set()
            wait_for(lambda: done(endpoint, EVENTS), 120)

    assert burnt < EVENTS / 100
    assert arrivals.most_in(1.0) <= 1.1 * RATE
    # From when the breaker has closed, which is the last pause before many arrive.
    times = sorted(arrivals.times)
    begin = max(place for place in range(burnt + 100) if times[place + 1] - times[place] > 0.3) + 1
    assert (len(times) - begin) / (times[-1] - times[begin]) >= 0.9 * RATE
