import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from dispatch import heartbeats
from dispatch.lanes import Lanes
from dispatch.models import Heartbeat
from dispatch.sweep import sweep
from tests.api_client import PROBLEM, ApiClient
from tests.factories import NOON, DeliveryFactory

NO_REDIS = (
    "Redis cannot be reached: check that it runs and that REDIS_URL is right. "
    "Events are still accepted, and are delivered when it is back."
)


@pytest.mark.parametrize("path", ["health/live", "health/live/"])
def test_a_process_that_answers_is_alive_whatever_else_is_wrong(path: str):
    # Without a database: pytest-django would refuse its use here.
    response = ApiClient().get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["health/ready", "health/ready/"])
def test_ready_with_database_and_redis(db: None, path: str):
    response = ApiClient().get(path)
    assert response.status_code == 200
    found = response.json()
    del found["work"]
    assert found == {"status": "ready", "checks": {"database": "ok", "redis": "ok"}}


def test_ready_tells_when_beat_workers_and_the_sweep_last_showed_that_they_work(db: None):
    now = timezone.now()
    heartbeats.note("beat", now=now - timedelta(seconds=3))
    heartbeats.note("deliveries", now=now - timedelta(seconds=120))
    heartbeats.note("housekeeping", now=now)
    heartbeats.note_sweep(now=now, oldest_due_at=now - timedelta(seconds=45))
    work = ApiClient().get("health/ready").json()["work"]
    assert 3 <= work["heartbeats"]["beat"]["seconds_ago"] < 30
    assert 45 <= work["oldest_due_seconds"] < 75
    assert work["warnings"] == ["No worker takes the queue deliveries: nothing is sent. No sign of it for 60 seconds."]


def test_a_new_installation_has_no_heartbeats(db: None):
    work = ApiClient().get("health/ready").json()["work"]
    assert work["heartbeats"]["beat"] == {"seconds_ago": None}
    assert (work["oldest_due_seconds"], len(work["warnings"])) == (0.0, 4)


def test_a_sweep_notes_since_when_the_oldest_delivery_is_due(db: None, settings: Settings):
    with Redis.from_url(settings.REDIS_URL) as redis:
        DeliveryFactory(next_attempt_at=NOON + timedelta(hours=1))
        DeliveryFactory(next_attempt_at=NOON - timedelta(hours=1), endpoint__state="paused")
        sweep(Lanes(redis), NOON)
        assert Heartbeat.objects.get(role="sweep").oldest_due_at is None
        DeliveryFactory(next_attempt_at=NOON - timedelta(minutes=5))
        DeliveryFactory(next_attempt_at=NOON - timedelta(minutes=7))
        sweep(Lanes(redis), NOON)
        found = Heartbeat.objects.get(role="sweep")
        assert (found.at, found.oldest_due_at) == (NOON, NOON - timedelta(minutes=7))
        redis.flushdb()


def assert_not_ready_for_lack_of_redis() -> None:
    started = time.monotonic()
    response = ApiClient().get("health/ready")
    assert time.monotonic() - started < 3
    assert response.status_code == 503
    assert response.headers["Content-Type"] == PROBLEM
    assert response.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": NO_REDIS,
        "errors": [],
        "checks": {"database": "ok", "redis": NO_REDIS},
    }


def test_not_ready_without_redis(db: None, settings: Settings, tmp_path: Path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody"
    assert_not_ready_for_lack_of_redis()


def test_not_ready_with_a_redis_that_does_not_answer(db: None, settings: Settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        assert_not_ready_for_lack_of_redis()


def test_a_password_is_not_shown(db: None, settings: Settings):
    settings.REDIS_URL = "redis://:a-password@127.0.0.1:1/0"
    assert "a-password" not in ApiClient().get("health/ready").content.decode()
