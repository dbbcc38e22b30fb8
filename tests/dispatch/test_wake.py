"""Publishing while Redis is down or hangs: it succeeds, soon, and the event is delivered later."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from redis import Redis

from dispatch import lanes
from dispatch.models import Delivery
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.receivers import receiving
from tests.dispatch.workers import working
from tests.waiting import wait_for
from webhooks_project import embedded_redis

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 1.5
PUBLISH_TWICE = """
import json, time
import django
django.setup()
from dispatch.publish import publish_event
seconds = []
for number in range(2):
    begin = time.monotonic()
    publish_event("invoice.paid", {"number": number})
    seconds.append(time.monotonic() - begin)
print(json.dumps(seconds))
"""


def run(code: str, environment: Mapping[str, str]) -> str:
    """Run code in a fresh process and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def seconds_to_publish(environment: Mapping[str, str]) -> list[float]:
    """Publish two events in a fresh process and say how long each took."""
    seconds: list[float] = json.loads(run(PUBLISH_TWICE, environment).splitlines()[-1])
    return seconds


def test_publishing_without_redis_succeeds_soon_and_the_sweep_delivers(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    with embedded_redis.start(tmp_path / "failing") as failing, receiving() as receiver:
        endpoint_at(receiver.url)
        environment = {**process_environment, "REDIS_URL": failing.url}
        os.kill(failing.pid, signal.SIGSTOP)
        try:
            while_it_hangs = seconds_to_publish(environment)
        finally:
            os.kill(failing.pid, signal.SIGCONT)
        failing.stop()
        after_it_ended = seconds_to_publish(environment)

        # Who publishes waits for no answer of Redis.
        assert max(while_it_hangs + after_it_ended) < LIMIT
        assert Delivery.objects.filter(status="pending").count() == 4
        with working(process_environment):
            wait_for(lambda: Delivery.objects.filter(status="delivered").count() == 4)
    assert len(receiver.received) == 4


def test_a_publisher_calls_workers_once_for_many_events(process_environment: dict[str, str], tmp_path: Path) -> None:
    with embedded_redis.start(tmp_path / "redis") as server, receiving() as receiver:
        endpoint_at(receiver.url)
        seconds_to_publish({**process_environment, "REDIS_URL": server.url})

        with Redis.from_url(server.url) as client:
            assert client.llen("deliveries") == 1


def test_lanes_that_are_asked_for_in_quick_succession_are_rung_together_and_each_is_rung(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    ring_a_thousand = """
import uuid
import django
django.setup()
from dispatch import wake
for number in range(1000):
    wake.wake([uuid.UUID(int=number)])
"""
    with embedded_redis.start(tmp_path / "redis") as server, Redis.from_url(server.url) as client:
        run(ring_a_thousand, {**process_environment, "REDIS_URL": server.url})

        assert lanes.Lanes(client).count_waiting() == 1000
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] < 500


def test_a_forked_process_rings_what_it_asks_for_itself(process_environment: dict[str, str], tmp_path: Path) -> None:
    fork_and_ring = """
import os, uuid
import django
django.setup()
from dispatch import wake
wake.wake([uuid.UUID(int=1)])
wake.finish()
if os.fork() == 0:
    wake.wake([uuid.UUID(int=2)])
    wake.finish()
    os._exit(0)
os.wait()
"""
    with embedded_redis.start(tmp_path / "redis") as server, Redis.from_url(server.url) as client:
        run(fork_and_ring, {**process_environment, "REDIS_URL": server.url})

        assert lanes.Lanes(client).count_waiting() == 2


def test_a_ring_that_fails_for_any_reason_keeps_no_later_one_from_being_made(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    fail_once = """
import time, uuid
import django
django.setup()
from dispatch import lanes, wake
connect = lanes.connect
def fail(timeout):
    lanes.connect = connect
    raise LookupError("for once")
lanes.connect = fail
wake.wake([uuid.UUID(int=1)])
while lanes.connect is fail:
    time.sleep(0.01)
wake.wake([uuid.UUID(int=2)])
while not connect(1.0).count_waiting():
    time.sleep(0.01)
"""
    with embedded_redis.start(tmp_path / "redis") as server:
        run(fail_once, {**process_environment, "REDIS_URL": server.url})
