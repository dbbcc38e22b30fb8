"""Ownership challenges whose message or worker is lost."""

import dataclasses
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings
from redis import Redis

from dispatch.lanes import Lanes
from dispatch.publish import publish_event
from subscriptions.models import Endpoint, EndpointState
from tests.dispatch.challenged import ONE_RETRY, echo, wait_for_end
from tests.dispatch.deliveries import endpoint_at, settled
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.workers import working
from tests.waiting import wait_for

REGISTER = """
import sys
import django
django.setup()
from subscriptions.models import Endpoint, Subscriber
Endpoint.objects.register(subscriber=Subscriber.objects.create(name="Acme"), url=sys.argv[1])
"""

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _challenged(settings: Settings) -> None:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, ownership_challenge=True)


def test_no_sweep_is_needed_where_no_message_is_lost(process_environment: dict[str, str], settings: Settings) -> None:
    redis = Redis.from_url(settings.REDIS_URL)
    with receiving(respond=echo) as receiver:
        redis.flushdb()
        Lanes(redis).note_sweep(3600)
        with working(process_environment, WEBHOOKS_SWEEP_INTERVAL="3600"):
            endpoint = endpoint_at(receiver.url)
            event = publish_event("invoice.paid", {"amount": 1}).event
            assert settled(event).status == "delivered"
        redis.flushdb()

    wait_for_end(endpoint)
    assert (endpoint.state, len(receiver.received)) == (EndpointState.ACTIVE, 2)


def test_a_lost_message_is_mended_by_the_sweep(process_environment: dict[str, str], settings: Settings) -> None:
    with receiving(respond=echo) as receiver:
        endpoint = endpoint_at(receiver.url)
        Redis.from_url(settings.REDIS_URL).flushdb()
        with working(process_environment, **ONE_RETRY):
            wait_for_end(endpoint)

    assert endpoint.state == EndpointState.ACTIVE
    assert len(receiver.received) == 1


def test_an_endpoint_created_while_redis_is_down_is_challenged_when_it_is_back(
    process_environment: dict[str, str],
) -> None:
    with receiving(respond=echo) as receiver:
        ran = subprocess.run(
            [sys.executable, "-c", REGISTER, receiver.url],
            env={**process_environment, "REDIS_URL": "unix:///nowhere", "WEBHOOKS_OWNERSHIP_CHALLENGE": "true"},
            cwd=Path(__file__).parents[2],
            check=False,
        )
        assert ran.returncode == 0
        endpoint = Endpoint.objects.get()
        assert endpoint.state == EndpointState.UNVERIFIED
        with working(process_environment, **ONE_RETRY):
            wait_for_end(endpoint)

    assert endpoint.state == EndpointState.ACTIVE


def test_the_try_of_a_killed_worker_is_noted_and_followed_by_another(process_environment: dict[str, str]) -> None:
    never = threading.Event()
    with receiving(Answer(after=never), respond=echo) as receiver:
        with working(process_environment, WEBHOOKS_REQUEST_DEADLINE="1.5") as worker:
            endpoint = endpoint_at(receiver.url)
            wait_for(lambda: receiver.received)
            worker.kill()
        never.set()
        endpoint.refresh_from_db()
        assert (endpoint.challenge_tries, endpoint.challenge_outcome) == (1, "")
        with working(process_environment, WEBHOOKS_CHALLENGE_SCHEDULE="3600"):
            wait_for(lambda: Endpoint.objects.filter(challenge_outcome="worker_lost").exists())
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.challenge_tries) == ("unverified", 1)
        assert endpoint.next_challenge_at is not None
        assert endpoint.next_challenge_at > datetime.now(UTC) + timedelta(minutes=50)
        with working(process_environment, **ONE_RETRY):
            endpoint.ask_for_challenge(now=datetime.now(UTC))
            wait_for_end(endpoint)

    assert endpoint.state == EndpointState.ACTIVE
