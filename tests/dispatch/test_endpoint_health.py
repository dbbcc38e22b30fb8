"""What becomes of endpoints that do not work, and of what waits for them."""

import dataclasses
import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from dispatch import health
from dispatch.health import Noted
from dispatch.models import Delivery, EndpointHealth
from dispatch.publish import Wanted, publish_events
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState
from tests.dispatch.arrivals import arriving
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.receivers import Answer
from tests.dispatch.workers import Worker, working
from tests.factories import NOON, EndpointFactory
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def worker(process_environment: dict[str, str]) -> Iterator[Worker]:
    with working(
        process_environment,
        WEBHOOKS_BREAKER_PAUSE="0.5",
        WEBHOOKS_RETRY_SCHEDULE=",".join(["0.05"] * 50),
        WEBHOOKS_THROTTLE_STEP="0.5",
    ) as worker:
        yield worker


def publish(endpoint: Endpoint, count: int, start: int = 0) -> None:
    numbers = range(start, start + count)
    publish_events([Wanted("invoice.paid", {"number": n}, endpoint.subscriber) for n in numbers])


def all_over() -> bool:
    return not Delivery.objects.filter(status__in=["pending", "sending"]).exists()


def row(endpoint: Endpoint) -> EndpointHealth | None:
    return EndpointHealth.objects.filter(endpoint=endpoint).first()


class TestABreaker:
    def test_opens_lets_one_try_and_closes(self, worker: Worker) -> None:
        is_up = threading.Event()
        with arriving(lambda body: Answer(200 if is_up.is_set() else 500)) as arrivals:
            endpoint = endpoint_at(arrivals.url)
            publish(endpoint, 100)
            opened = wait_for(lambda: EndpointHealth.objects.filter(endpoint=endpoint, pauses__gte=1).first())
            assert opened.closed_because == "breaker"
            wait_for(lambda: EndpointHealth.objects.filter(endpoint=endpoint, pauses__gte=2).exists())
            # Nearly all of them wait, and have burnt nothing.
            assert Delivery.objects.filter(attempt_count=0).count() > 50
            is_up.set()
            wait_for(all_over)

        last = row(endpoint)
        assert last is not None
        assert (last.pauses, last.failing_since, last.closed_until) == (0, None, None)
        assert Delivery.objects.filter(status="delivered").count() == 100

    def test_stays_open_where_redis_was_lost(self, worker: Worker, settings: Settings) -> None:
        is_up = threading.Event()
        with arriving(lambda body: Answer(200 if is_up.is_set() else 500)) as arrivals:
            endpoint = endpoint_at(arrivals.url)
            publish(endpoint, 60)
            wait_for(lambda: EndpointHealth.objects.filter(endpoint=endpoint, pauses__gte=2).exists())
            with Redis.from_url(settings.REDIS_URL) as redis:
                redis.flushdb()
            before = len(arrivals)
            wait_for(lambda: EndpointHealth.objects.filter(endpoint=endpoint, pauses__gte=3).exists())
            assert len(arrivals) <= before + 2
            is_up.set()
            wait_for(all_over)

        assert Delivery.objects.filter(status="delivered").count() == 60

    def test_is_closed_by_resuming_the_endpoint(self, worker: Worker) -> None:
        is_up = threading.Event()
        with arriving(lambda body: Answer(200 if is_up.is_set() else 500)) as arrivals:
            endpoint = endpoint_at(arrivals.url)
            publish(endpoint, 30)
            wait_for(lambda: EndpointHealth.objects.filter(endpoint=endpoint, pauses__gte=1).exists())
            far = timezone.now() + DAY
            EndpointHealth.objects.update(closed_until=far)
            is_up.set()
            endpoint.change_state(EndpointState.ACTIVE, reason="", now=timezone.now())
            wait_for(all_over)


def test_a_receiver_that_gets_too_much_gets_less(worker: Worker) -> None:
    refused_at: list[float] = []

    def overloaded(body: bytes) -> Answer:
        if len(arrivals) > 60 and not refused_at:
            refused_at.append(time.monotonic())
            return Answer(503)
        return Answer()

    with arriving(overloaded) as arrivals:
        endpoint = endpoint_at(arrivals.url, rate_limit=60)
        publish(endpoint, 120)
        wait_for(all_over)

    # Half, and a tenth more each half second: not more than 36 instead of 57 in the next second.
    assert sum(refused_at[0] < at <= refused_at[0] + 1.0 for at in arrivals.times) <= 40


class TestPausedAndDisabled:
    def test_what_waits_for_a_paused_one_goes_out_when_it_is_resumed(self, worker: Worker) -> None:
        with arriving() as arrivals:
            endpoint = endpoint_at(arrivals.url)
            endpoint.change_state(EndpointState.PAUSED, reason="", now=timezone.now())
            publish(endpoint, 20)
            assert len(arrivals) == 0
            endpoint.change_state(EndpointState.ACTIVE, reason="", now=timezone.now())
            wait_for(all_over)
            assert len(arrivals) == 20

    def test_what_is_dropped_can_be_seen(self, worker: Worker) -> None:
        with arriving() as arrivals:
            endpoint = endpoint_at(arrivals.url)
            endpoint.change_state(EndpointState.DISABLED, reason="", now=timezone.now())
            publish(endpoint, 3)
            endpoint.change_state(EndpointState.ACTIVE, reason="", now=timezone.now())
            publish(endpoint, 1, start=3)
            wait_for(all_over)

        assert len(arrivals) == 1
        dropped = Delivery.objects.filter(status="cancelled")
        assert [each.note for each in dropped] == ["The endpoint was disabled when the event was published."] * 3

    def test_what_is_kept_goes_out_oldest_first_at_its_rate(self, worker: Worker, settings: Settings) -> None:
        with Redis.from_url(settings.REDIS_URL) as redis:
            redis.set("{webhooks}:lanes:since", 1)
        with arriving() as arrivals:
            endpoint = endpoint_at(arrivals.url, when_disabled="keep", rate_limit=50, max_in_flight=1)
            publish(endpoint, 1)
            wait_for(all_over)
            endpoint.change_state(EndpointState.DISABLED, reason="", now=timezone.now())
            publish(endpoint, 60, start=1)
            assert Delivery.objects.filter(status="pending").count() == 60
            endpoint.change_state(EndpointState.ACTIVE, reason="", now=timezone.now())
            wait_for(all_over)

        assert [json.loads(body)["number"] for body in arrivals.bodies] == list(range(61))
        assert arrivals.most_in(1.0) <= 55

    def test_a_disabled_one_that_keeps_is_left_alone_by_410(self, worker: Worker) -> None:
        with arriving(lambda body: Answer(410)) as arrivals:
            endpoint = endpoint_at(arrivals.url, when_disabled="keep", max_in_flight=1)
            publish(endpoint, 5)
            wait_for(lambda: Endpoint.objects.get(id=endpoint.id).state == EndpointState.DISABLED)
            wait_for(lambda: not Delivery.objects.filter(status="sending").exists())

        assert Delivery.objects.filter(status="pending").count() >= 1
        assert not Delivery.objects.filter(status="cancelled").exists()


class TestAutoDisable:
    @pytest.fixture
    def endpoint(self, settings: Settings) -> Endpoint:
        settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, disable_attempts=3)
        return EndpointFactory()

    def fail(self, endpoint: Endpoint, *days: float) -> list[uuid.UUID]:
        disabled = []
        for day in days:
            now = NOON + day * DAY
            noted = Noted(ids.decode("ep", endpoint.id), endpoint.state_changed_at, 0.0)
            noted.fail(now, is_urgent=True)
            disabled += health.write([noted], now)
        return disabled

    def succeed(self, endpoint: Endpoint, day: float) -> None:
        noted = Noted(ids.decode("ep", endpoint.id), endpoint.state_changed_at, 0.0)
        noted.succeed()
        health.write([noted], NOON + day * DAY)

    def test_comes_after_five_days_without_a_success(self, endpoint: Endpoint) -> None:
        assert self.fail(endpoint, 0, 1, 4.9) == []
        assert self.fail(endpoint, 5) == [ids.decode("ep", endpoint.id)]

        endpoint.refresh_from_db()
        assert endpoint.state == EndpointState.DISABLED
        assert endpoint.state_reason == "Nothing has succeeded since 2026-03-01 12:00 UTC, in 4 attempts."

    def test_does_not_come_after_few_attempts(self, endpoint: Endpoint) -> None:
        assert self.fail(endpoint, 0, 6) == []

    def test_begins_anew_with_a_success_and_with_enabling(self, endpoint: Endpoint) -> None:
        self.fail(endpoint, 0, 1, 2)
        self.succeed(endpoint, 3)
        assert self.fail(endpoint, 4, 5, 6, 7, 8) == []

        endpoint.change_state(EndpointState.ACTIVE, reason="", now=NOON + 8.5 * DAY)
        assert self.fail(endpoint, 9, 10, 11, 12, 13) == []
        assert self.fail(endpoint, 14) == [ids.decode("ep", endpoint.id)]

    def test_warns_at_half_and_at_four_fifths_of_the_time(
        self, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.fail(endpoint, 0, 1, 2.4)
        assert caplog.messages == []
        self.fail(endpoint, 2.5, 3)
        assert [f"endpoint.failing {endpoint.id}" in each and "50 %" in each for each in caplog.messages] == [True]
        caplog.clear()
        self.fail(endpoint, 4, 4.5)
        assert ["80 %" in each for each in caplog.messages] == [True]

    def test_says_that_an_endpoint_has_recovered(self, endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        self.fail(endpoint, 0, 3)
        self.succeed(endpoint, 3.5)
        assert caplog.messages[-1] == f"endpoint.recovered {endpoint.id}: A delivery succeeded again."
