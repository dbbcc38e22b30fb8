import socket
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.api_client import PROBLEM, ApiClient

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
    assert (response.status_code, response.json()) == (
        200,
        {"status": "ready", "checks": {"database": "ok", "redis": "ok"}},
    )


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
