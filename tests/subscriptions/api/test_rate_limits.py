import dataclasses
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from pytest_django import Settings

from subscriptions import rate_limits
from subscriptions.models import ApiKey, Subscriber
from tests.api_client import ApiClient, assert_problem


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    rate_limits._Breaker.closed_at = 0.0
    rate_limits._script.cache_clear()


@pytest.fixture
def limited(settings: Settings) -> None:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, api_rate_limit=3)


def told(response: Any) -> tuple[str | None, str | None]:
    left, _, seconds = response.headers.get("RateLimit", "").partition(";t=")
    assert not seconds or 1 <= int(seconds) <= 60
    return response.headers.get("RateLimit-Policy"), left or None


def test_without_a_limit_redis_is_not_asked(api: ApiClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rate_limits, "count", None)
    assert told(api.get("events/")) == (None, None)


@pytest.mark.usefixtures("limited")
def test_a_key_is_told_how_much_is_left_and_refused_beyond_it(api: ApiClient):
    answers = [api.get("events/") for _ in range(2)] + [api.post("subscribers/", {})]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert [told(answer) for answer in answers] == [('"default";q=3;w=60', f'"default";r={n}') for n in (2, 1, 0)]
    refused = api.post("subscribers/", {"name": "Acme"})
    seconds = refused.headers["Retry-After"]
    detail = f"This API key may send 3 requests a minute. Send this one again in {seconds} seconds."
    assert_problem(refused, 429, "Too Many Requests", detail, errors={})
    assert told(refused) == ('"default";q=3;w=60', '"default";r=0')
    assert not Subscriber.objects.exists()


@pytest.mark.usefixtures("limited")
def test_keys_are_counted_apart_and_may_have_limits_of_their_own(api: ApiClient):
    for _ in range(3):
        api.get("events/")
    assert api.get("events/").status_code == 429
    assert ApiClient.with_new_key().get("events/").status_code == 200
    for limit, statuses in ((1, [200, 429]), (0, [200, 200])):
        client = ApiClient(ApiKey.objects.generate("CI", rate_limit=limit)[1])
        assert [client.get("events/").status_code for _ in range(2)] == statuses


@pytest.mark.usefixtures("limited")
def test_the_count_begins_anew_with_the_next_minute(api: ApiClient, settings: Settings):
    for _ in range(3):
        api.get("events/")
    client = redis.Redis.from_url(settings.REDIS_URL)
    name = f"webhooks:api-requests:{ApiKey.objects.get().id}"
    assert 0 < client.pttl(name) <= 60_000
    client.delete(name)  # as time does
    client.close()
    assert api.get("events/").status_code == 200


@pytest.mark.usefixtures("limited")
def test_a_redis_that_hangs_holds_nobody_back_for_long(
    api: ApiClient, settings: Settings, caplog: pytest.LogCaptureFixture
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, wake_timeout=0.1)
        rate_limits._script.cache_clear()
        started = time.monotonic()
        with caplog.at_level(logging.WARNING, rate_limits.__name__):
            assert {api.get("events/").status_code for _ in range(10)} == {200}
        assert time.monotonic() - started < 1
    assert len(caplog.records) == 1
