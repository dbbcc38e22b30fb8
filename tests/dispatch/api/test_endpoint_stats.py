from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from dispatch import endpoint_stats
from dispatch.selection import first_id
from subscriptions.models import Endpoint
from tests.api_client import ApiClient, assert_refused
from tests.factories import AttemptFactory, DeliveryFactory, EndpointFactory


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    made: Endpoint = EndpointFactory()
    return made


def delivered(endpoint: Endpoint, made: datetime, *durations: int, **fields: Any) -> None:
    delivery = DeliveryFactory(
        id=first_id("dlv", made), endpoint=endpoint, status="delivered", next_attempt_at=None, **fields
    )
    for number, duration in enumerate(durations, start=1):
        outcome = "success" if number == len(durations) else "timeout"
        AttemptFactory(delivery=delivery, number=number, outcome=outcome, duration_ms=duration)


def test_what_was_sent_within_the_window_is_counted(api: ApiClient, endpoint: Endpoint):
    now = timezone.now()
    for minute in range(1, 20):
        delivered(endpoint, now - timedelta(minutes=minute), minute)
    delivered(endpoint, now - timedelta(minutes=30), 15000, 20)
    DeliveryFactory(endpoint=endpoint)
    delivered(endpoint, now - timedelta(hours=2), 99999)
    delivered(EndpointFactory(), now - timedelta(seconds=99), 99999)
    found = api.get(f"endpoints/{endpoint.id}/stats/", window="1h").json()
    since = datetime.fromisoformat(found.pop("since").replace("Z", "+00:00"))
    assert timedelta(minutes=59) < now - since < timedelta(minutes=61)
    assert found == {
        "window": "1h",
        "is_complete": True,
        "deliveries": {"pending": 1, "delivered": 20},
        "attempts": {"success": 20, "timeout": 1},
        "success_rate": 0.9524,
        "p50_ms": 11,
        "p95_ms": 20,
    }
    assert api.get(f"endpoints/{endpoint.id}/stats/").json()["attempts"] == {"success": 21, "timeout": 1}


def test_without_attempts_there_is_no_rate(api: ApiClient, endpoint: Endpoint):
    found = api.get(f"endpoints/{endpoint.id}/stats/", window="7d").json()
    assert (found["deliveries"], found["attempts"], found["success_rate"], found["p50_ms"]) == ({}, {}, None, None)


def test_of_very_many_the_newest_are_counted(
    api: ApiClient,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
):
    monkeypatch.setattr(endpoint_stats, "COUNTED", 2)
    now = timezone.now()
    for minute in (1, 2, 3):
        delivered(endpoint, now - timedelta(minutes=minute), minute)
    # Key, endpoint, deliveries and attempts.
    with django_assert_num_queries(4):
        found = api.get(f"endpoints/{endpoint.id}/stats/").json()
    assert (found["is_complete"], found["deliveries"], found["attempts"]) == (False, {"delivered": 2}, {"success": 2})


def test_a_window_is_one_of_three(api: ApiClient, endpoint: Endpoint):
    response = api.get(f"endpoints/{endpoint.id}/stats/", window="1y")
    assert_refused(response, "window", "1y is unknown: write one of 1h, 24h, 7d.")
    assert api.get("endpoints/nothing/stats/").status_code == 404
