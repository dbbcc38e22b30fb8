"""Attempts are added up by minute, hour and day: each one once, whenever it is recorded and however often that runs."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch import rollups, traffic
from dispatch.models import Attempt, Period, Rollup, RollupState
from dispatch.outbox.rollups import ALL_ENDPOINTS
from dispatch.selection import first_id
from dispatch.states import Outcome, Trigger
from dispatch.tasks import roll_up
from dispatch.traffic import Span
from subscriptions import ids
from subscriptions.models import Endpoint
from tests.factories import AttemptFactory, DeliveryFactory, EndpointFactory

NOW = datetime(2026, 3, 10, 12, 30, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


def attempt(recorded_at: datetime, endpoint: Endpoint | None = None, **fields: Any) -> Attempt:
    """Record an attempt at a moment."""
    first = ids.decode("att", first_id("att", recorded_at))
    key = ids.encode("att", uuid.UUID(int=first.int | uuid.uuid4().int & (1 << 62) - 1))
    delivery = DeliveryFactory(endpoint=endpoint or EndpointFactory())
    return AttemptFactory(id=key, delivery=delivery, started_at=recorded_at, **fields)


def counted(period: Period) -> dict[datetime, int]:
    rows = Rollup.objects.filter(period=period, endpoint=ALL_ENDPOINTS).order_by("start")
    return {row.start: row.attempts for row in rows}


def test_attempts_are_counted_by_minute_hour_and_day():
    for ago in (0 * MINUTE, MINUTE, 20 * MINUTE, 20 * MINUTE, 3 * HOUR, 30 * HOUR):
        attempt(NOW - ago)
    assert rollups.run(NOW) is True
    minute = NOW.replace(second=0)
    assert counted(Period.MINUTE) == {
        minute: 1,
        minute - MINUTE: 1,
        minute - 20 * MINUTE: 2,
        minute - 3 * HOUR: 1,
        minute - 30 * HOUR: 1,
    }
    hour = minute.replace(minute=0)
    # What may still get more is not in hours yet, and is added when it is asked for.
    assert counted(Period.HOUR) == {hour: 2, hour - 3 * HOUR: 1, hour - 30 * HOUR: 1}
    assert counted(Period.DAY) == {hour.replace(hour=0): 3, hour.replace(day=9, hour=0): 1}
    for span in (Span.DAY, Span.WEEK, Span.MONTH):
        assert traffic.traffic(span, NOW).attempts == (5 if span is Span.DAY else 6)


def test_tests_are_not_counted():
    attempt(NOW, trigger=Trigger.TEST.value)
    rollups.run(NOW)
    assert traffic.traffic(Span.HOUR, NOW).attempts == 0


def test_running_again_changes_nothing():
    for ago in range(0, 60, 7):
        attempt(NOW - ago * MINUTE)
    rollups.run(NOW)
    before = list(Rollup.objects.order_by("period", "start", "endpoint").values_list("period", "start", "attempts"))
    for _ in range(3):
        rollups.run(NOW)
    after = list(Rollup.objects.order_by("period", "start", "endpoint").values_list("period", "start", "attempts"))
    assert after == before


def test_what_is_committed_late_is_counted_in_its_minute():
    attempt(NOW - 2 * MINUTE)
    rollups.run(NOW)
    attempt(NOW - 2 * MINUTE)
    attempt(NOW - 4 * MINUTE)
    later = NOW + rollups.settles_after() + MINUTE
    rollups.run(later)
    minute = NOW.replace(second=0)
    assert counted(Period.MINUTE) == {minute - 2 * MINUTE: 2, minute - 4 * MINUTE: 1}
    assert counted(Period.HOUR) == {minute.replace(minute=0): 3}


def test_each_run_goes_on_where_the_last_one_ended():
    for ago in range(0, 40, 2):
        attempt(NOW - ago * MINUTE)
    runs = 0
    while not rollups.run(NOW, seconds=-1):
        runs += 1
    assert runs > 10
    assert sum(counted(Period.MINUTE).values()) == 20
    assert traffic.traffic(Span.DAY, NOW).attempts == 20


def test_what_happens_while_nobody_counts_is_counted_later():
    moments = [NOW + minutes * MINUTE for minutes in range(0, 120, 10)]
    rollups.run(NOW)
    for moment in moments:
        attempt(moment)
    rollups.run(NOW + 2 * HOUR)
    assert traffic.traffic(Span.DAY, NOW + 2 * HOUR).attempts == len(moments)


def test_a_month_ago_is_counted_by_the_hour():
    attempt(NOW - timedelta(days=29))
    attempt(NOW - timedelta(days=29))
    rollups.run(NOW)
    assert counted(Period.MINUTE) == {}
    assert list(counted(Period.HOUR).values()) == [2]
    assert traffic.traffic(Span.MONTH, NOW).attempts == 2


def test_old_rollups_go_away():
    attempt(NOW)
    rollups.run(NOW)
    rollups.run(NOW + timedelta(days=3))
    assert counted(Period.MINUTE) == {}
    assert sum(counted(Period.HOUR).values()) == 1
    rollups.run(NOW + timedelta(days=36))
    assert counted(Period.HOUR) == {}
    assert sum(counted(Period.DAY).values()) == 1


def test_minutes_of_single_endpoints_are_kept_only_until_they_settle():
    attempt(NOW)
    rollups.run(NOW)
    assert Rollup.objects.filter(period=Period.MINUTE).exclude(endpoint=ALL_ENDPOINTS).count() == 1
    rollups.run(NOW + HOUR)
    assert Rollup.objects.filter(period=Period.MINUTE).exclude(endpoint=ALL_ENDPOINTS).count() == 0


class TestTraffic:
    def test_has_a_number_for_each_bar_and_outcome(self):
        attempt(NOW - MINUTE)
        attempt(NOW, outcome=Outcome.TIMEOUT.value, status_code=None)
        attempt(NOW, outcome=Outcome.TIMEOUT.value, status_code=None)
        rollups.run(NOW)
        shown = traffic.traffic(Span.HOUR, NOW)
        assert (shown.bar, len(shown.starts), shown.starts[-1]) == (Period.MINUTE, 61, NOW.replace(second=0))
        assert {outcome: numbers[-2:] for outcome, numbers in shown.by_outcome.items()} == {
            "success": [1, 0],
            "timeout": [0, 2],
        }
        assert shown.success_rate == pytest.approx(1 / 3)

    def test_estimates_how_long_successes_took(self):
        for duration in [3] * 90 + [2000] * 10:
            attempt(NOW, duration_ms=duration)
        attempt(NOW, outcome=Outcome.TIMEOUT.value, duration_ms=15000)
        rollups.run(NOW)
        shown = traffic.traffic(Span.DAY, NOW)
        assert (shown.p50, shown.p95) == (pytest.approx(2.78, abs=0.01), pytest.approx(1920))

    def test_of_nothing_is_nothing(self):
        shown = traffic.traffic(Span.WEEK, NOW)
        assert (shown.attempts, shown.success_rate, shown.p50, shown.by_outcome) == (0, None, None, {})

    def test_of_one_endpoint(self):
        endpoint = EndpointFactory()
        attempt(NOW - 3 * HOUR, endpoint)
        attempt(NOW, endpoint, outcome=Outcome.TIMEOUT.value)
        attempt(NOW)
        rollups.run(NOW)
        shown = traffic.traffic(Span.DAY, NOW, endpoint_id=endpoint.pk)
        assert (shown.attempts, shown.success_rate) == (2, 0.5)

    @pytest.mark.parametrize("span", list(Span))
    def test_names_the_endpoints_that_fail_most(self, span: Span):
        worst, bad, _ = endpoints = EndpointFactory.create_batch(3)
        for endpoint, failures in zip(endpoints, (3, 1, 0), strict=True):
            attempt(NOW - 10 * MINUTE, endpoint)
            for _ in range(failures):
                attempt(NOW, endpoint, outcome=Outcome.HTTP_ERROR.value, status_code=500)
        rollups.run(NOW)
        found = traffic.failing_endpoints(span, NOW)
        assert [(each.endpoint_id, each.failed, each.attempts) for each in found] == [(worst.pk, 3, 4), (bad.pk, 1, 2)]


class TestWaiting:
    def test_is_counted_by_reason(self):
        due, later, retry = (NOW - MINUTE, NOW + MINUTE, NOW + HOUR)
        active, paused = EndpointFactory(), EndpointFactory(state="paused")
        for moment, attempts in ((due, 0), (due + MINUTE / 2, 2), (later, 0), (retry, 1)):
            DeliveryFactory(endpoint=active, next_attempt_at=moment, attempt_count=attempts)
        DeliveryFactory(endpoint=paused, next_attempt_at=due - HOUR)
        rollups.run(NOW)
        state = RollupState.objects.get()
        assert state.waiting == {"due": 2, "later": 1, "retry": 1, "paused": 1, "sending": 0}
        assert state.oldest_due_at == due

    def test_is_not_counted_all_the_time_where_that_takes_long(self):
        rollups.run(NOW)
        RollupState.objects.update(waiting_took=3.0)
        DeliveryFactory(next_attempt_at=NOW)
        rollups.run(NOW + 59 * timedelta(seconds=1))
        assert RollupState.objects.get().waiting.get("due") is None
        rollups.run(NOW + MINUTE)
        assert RollupState.objects.get().waiting["due"] == 1


def test_the_task_adds_up():
    attempt(datetime.now(UTC))
    roll_up(something_newer=True)
    assert traffic.traffic(Span.HOUR, datetime.now(UTC)).attempts == 1
