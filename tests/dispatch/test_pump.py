"""Runs of a pump, in a thread of the test: what it does while nobody calls it, and when it ends."""

import contextlib
import dataclasses
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings
from redis import Redis

from dispatch import stopping, wake
from dispatch.addresses import AddressPolicy
from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.engine import Engine
from dispatch.lanes import Lanes
from dispatch.models import Attempt, Delivery, Event
from dispatch.publish import publish_event
from dispatch.pump import Pump
from dispatch.requests_transport import Limits, RequestsTransport
from subscriptions.models import Endpoint
from tests.dispatch.deliveries import endpoint_at, settled
from tests.dispatch.receivers import Answer, receiving
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 20.0
SLICE = 30.0
NEVER = 3600.0
Runs = Callable[[], AbstractContextManager[threading.Thread]]


class Clock:
    """The pump's clock, which a test puts forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dispatch.pump.time", clock)
    return clock


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        # No sweep comes to the pump's help.
        Lanes(client).note_sweep(NEVER)
        yield client
        client.flushdb()


@pytest.fixture
def pumping(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Give a run of a pump for a block. There are no workers: whatever is delivered was delivered by this run."""
    stop = threading.Event()
    monkeypatch.setattr(stopping, "is_announced", stop.is_set)
    changes: dict[str, Any] = {"pump_slice": SLICE, "pump_linger": NEVER, "request_deadline": LONG}
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, **changes)

    @contextlib.contextmanager
    def pumping() -> Iterator[threading.Thread]:
        transport = RequestsTransport(
            Limits(
                concurrency=8,
                deadline=LONG,
                connect_timeout=LONG,
                response_limit=1000,
                idle_connections=9,
                idle_seconds=LONG,
                policy=AddressPolicy(allowed_networks=(ip_network("127.0.0.0/8"),)),
            )
        )
        engine = Engine(transport, concurrency=8, largest_window=8, slow_after=LONG, user_agent="webhook-dispatcher")

        def run() -> None:
            try:
                Pump(engine, EndpointSnapshots()).run()
            finally:
                connection.close()

        stop.clear()
        running = threading.Thread(target=run)
        running.start()
        try:
            wait_for(lambda: redis.exists("{webhooks}:attended"))
            yield running
        finally:
            stop.set()
            # It may be listening.
            Lanes(redis).ring({uuid.uuid4(): NEVER})
            running.join()
            transport.close()

    return pumping


def publish(endpoint: Endpoint) -> Event:
    return publish_event("invoice.paid", {}, subscriber=endpoint.subscriber).event


def messages(redis: Redis) -> int:
    """Count the messages that call a pump. Nobody consumes them here."""
    count: int = redis.llen("deliveries")
    return count


def test_a_pump_that_lingers_delivers_what_comes_next_without_a_message(redis: Redis, pumping: Runs) -> None:
    with receiving() as receiver, pumping():
        endpoint = endpoint_at(receiver.url)
        for _ in range(5):
            assert settled(publish(endpoint)).status == "delivered"

        assert messages(redis) == 0


def test_many_events_call_nobody_while_a_pump_is_busy(redis: Redis, pumping: Runs) -> None:
    answer_now = threading.Event()
    with receiving(*[Answer(after=answer_now)] * 9) as receiver, pumping():
        endpoint = endpoint_at(receiver.url)
        publish(endpoint)
        wait_for(lambda: receiver.under_way)
        for _ in range(50):
            publish(endpoint)
        assert messages(redis) == 0

        answer_now.set()
        wait_for(lambda: Delivery.objects.filter(status="delivered").count() == 51)

    assert (len(receiver.received), Attempt.objects.count()) == (51, 51)
    assert messages(redis) == 0


def test_after_a_pump_has_left_the_next_event_calls_one(redis: Redis, pumping: Runs) -> None:
    with receiving() as receiver:
        endpoint = endpoint_at(receiver.url)
        with pumping():
            settled(publish(endpoint))
        assert messages(redis) == 0
        for _ in range(10):
            publish(endpoint)
        wake.finish()

        assert messages(redis) == 1
        with pumping():
            wait_for(lambda: Delivery.objects.filter(status="delivered").count() == 11)


def test_a_pump_does_not_listen_while_lanes_wait(redis: Redis, pumping: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[int] = []
    listen = Lanes.listen

    def count_and_listen(self: Lanes, seconds: float) -> bool:
        waiting.append(self.count_waiting())
        return listen(self, seconds)

    monkeypatch.setattr(Lanes, "listen", count_and_listen)
    # Several times as many as it takes at once, and in none of them is anything due.
    Lanes(redis).ring({uuid.uuid4(): 0.0 for _ in range(200)})
    with receiving() as receiver, pumping():
        settled(publish(endpoint_at(receiver.url)))
        wait_for(lambda: waiting)

    # The event itself may be rung at that moment.
    assert waiting[0] <= 1


def test_a_pump_without_anything_to_do_ends_when_it_has_lingered(
    redis: Redis, pumping: Runs, settings: Settings
) -> None:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, pump_linger=0.2)
    with receiving() as receiver, pumping() as running:
        settled(publish(endpoint_at(receiver.url)))
        running.join(LONG)

        assert not running.is_alive()
        assert not Lanes(redis).ring({uuid.uuid4(): 0.0})


class TestASlice:
    def test_ends_when_it_is_over_and_nothing_may_hang(self, redis: Redis, pumping: Runs, clock: Clock) -> None:
        with receiving() as receiver, pumping() as running:
            endpoint = endpoint_at(receiver.url)
            settled(publish(endpoint))
            clock.ahead = SLICE + 1
            # Whether this run sends it or gives it back, somebody is there or called.
            publish(endpoint)
            running.join(LONG)

            assert not running.is_alive()
            assert receiver.received[1:] or (Lanes(redis).count_waiting(), messages(redis)) == (1, 1)

    def test_goes_on_while_a_request_to_an_endpoint_that_may_hang_is_under_way(
        self, pumping: Runs, clock: Clock
    ) -> None:
        answer_now = threading.Event()
        with receiving(Answer(after=answer_now)) as hanging, receiving() as quick, pumping() as running:
            quick_one = endpoint_at(quick.url)
            settled(publish(quick_one))
            hanging_one = publish(endpoint_at(hanging.url))
            wait_for(lambda: hanging.under_way)

            clock.ahead = SLICE + 1
            for _ in range(3):
                settled(publish(quick_one))
            # New endpoints are served too.
            settled(publish(endpoint_at(quick.url)))
            assert running.is_alive()

            answer_now.set()
            running.join(LONG)
            assert not running.is_alive()
            assert settled(hanging_one).status == "delivered"

    def test_that_does_not_come_to_its_end_leaves_what_may_hang_to_others(
        self, redis: Redis, pumping: Runs, clock: Clock
    ) -> None:
        answer_now = threading.Event()
        with receiving(Answer(after=answer_now)) as hanging, receiving() as quick, pumping() as running:
            quick_one = endpoint_at(quick.url)
            settled(publish(quick_one))
            publish(endpoint_at(hanging.url))
            wait_for(lambda: hanging.under_way)

            clock.ahead = 10 * SLICE + 1
            settled(publish(quick_one))
            new_one = publish(endpoint_at(quick.url))
            for _ in range(3):
                settled(publish(quick_one))
            assert Delivery.objects.get(event=new_one).status == "pending"
            assert running.is_alive()

            answer_now.set()
            running.join(LONG)
            assert not running.is_alive()
            assert Delivery.objects.get(event=new_one).status == "pending"
            assert (Lanes(redis).count_waiting(), messages(redis)) == (1, 1)
