"""The dashboard shows what the rollups say, and asks nothing of the large tables."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from dispatch import heartbeats, lanes, rollups
from dispatch.models import Delivery, EndpointHealth
from dispatch.states import Outcome
from tests.admin_pages import page, text_of
from tests.factories import AttemptFactory, DeliveryFactory, EndpointFactory

pytestmark = pytest.mark.django_db
DATA = "/admin/dashboard/"


def shown(client: Client, span: str = "1h") -> dict[str, Any]:
    response = client.get(DATA, {"span": span})
    assert response.status_code == 200
    return response.json()


def test_shows_attempts_waiting_and_what_fails(admin_client: Client):
    endpoint = EndpointFactory(description="Billing", subscriber__name="Acme")
    AttemptFactory(delivery__endpoint=endpoint, duration_ms=3)
    AttemptFactory(delivery__endpoint=endpoint, outcome=Outcome.TIMEOUT.value, status_code=None)
    DeliveryFactory(next_attempt_at=timezone.now() - timedelta(minutes=5))
    rollups.run(timezone.now())
    data = shown(admin_client)
    assert {each["name"]: sum(each["attempts"]) for each in data["outcomes"]} == {"success": 1, "timeout": 1}
    assert all(len(each["attempts"]) == len(data["starts"]) == 61 for each in data["outcomes"])
    assert (data["attempts"], data["success_rate"], data["p50"]) == (2, 0.5, 2.5)
    # The deliveries of the attempts are due since long ago.
    assert data["waiting"]["total"] == 3
    assert data["waiting"]["reasons"] == [{"label": "Due now", "deliveries": 3}]
    (failing,) = data["failing"]
    assert (failing["name"], failing["subscriber"], failing["failed"], failing["attempts"]) == ("Billing", "Acme", 1, 2)
    assert failing["address"] == page(endpoint)
    assert admin_client.get(failing["list"]).context["cl"].result_count == 2


def test_says_what_deliveries_wait_for(admin_client: Client):
    now = timezone.now()
    past, future = now - timedelta(minutes=5), now + timedelta(hours=1)
    DeliveryFactory(next_attempt_at=past)
    DeliveryFactory.create_batch(2, next_attempt_at=future)
    DeliveryFactory(next_attempt_at=future, attempt_count=1)
    DeliveryFactory(endpoint__state="paused")
    DeliveryFactory(endpoint__rate_limit=5, next_attempt_at=past - timedelta(minutes=5))
    DeliveryFactory(endpoint__rate_limit=5, next_attempt_at=future)
    DeliveryFactory(endpoint__max_in_flight=1)
    ordered = EndpointFactory(ordered=True)
    DeliveryFactory.create_batch(3, endpoint=ordered, line="", next_attempt_at=past)
    DeliveryFactory(endpoint=ordered, line="another", next_attempt_at=past)
    for because, until, state_changed_at in (
        ("breaker", past, None),
        ("retry_after", future, past),
        # Both are over: the receiver's time, and what was before somebody resumed the endpoint.
        ("retry_after", past, None),
        ("breaker", future, future),
    ):
        closed = DeliveryFactory(endpoint__state_changed_at=state_changed_at, next_attempt_at=past).endpoint
        EndpointHealth.objects.create(endpoint=closed, noted_at=now, closed_until=until, closed_because=because)
    rollups.run(now)
    data = shown(admin_client)
    assert {each["label"]: each["deliveries"] for each in data["waiting"]["reasons"]} == {
        "Due now": 5,
        "Until they are due": 3,
        "Until their next retry": 1,
        "Endpoint paused": 1,
        "Due, as the endpoint's rate limit allows": 1,
        "Due, as the endpoint's cap on requests in flight allows": 1,
        "Behind another of an ordered endpoint": 2,
        "Breaker open": 1,
        "Receiver asked to wait": 1,
    }
    assert data["waiting"]["total"] == 16
    oldest = Delivery.objects.filter(endpoint__max_in_flight=1).get().next_attempt_at
    assert oldest is not None
    assert data["waiting"]["oldest_due_seconds"] == pytest.approx((now - oldest).total_seconds(), abs=30)


@pytest.mark.parametrize(("span", "bar", "bars"), [("1h", "minute", 61), ("24h", "hour", 25), ("7d", "hour", 169)])
def test_has_ranges(admin_client: Client, span: str, bar: str, bars: int):
    data = shown(admin_client, span)
    assert (data["span"], data["bar"], len(data["starts"])) == (span, bar, bars)
    assert shown(admin_client, "30d")["bar"] == "day"
    assert shown(admin_client, "of my life")["span"] == "1h"


def test_shows_who_was_disabled_and_not_by_whom_somebody_was(admin_client: Client):
    now = timezone.now()
    gone = EndpointFactory(state="disabled", state_reason="It answered 410.", state_changed_at=now)
    EndpointFactory(state="disabled", state_reason="Disabled by ada.", state_changed_at=now)
    assert [each["address"] for each in shown(admin_client)["disabled"]] == [page(gone)]


class TestSigns:
    def by_part(self, client: Client) -> dict[str, bool]:
        return {sign["part"]: sign["is_well"] for sign in shown(client)["signs"]}

    def test_all_is_well(self, admin_client: Client):
        for role in ("beat", "housekeeping", "deliveries", "sweep"):
            heartbeats.note(role, now=timezone.now())
        assert set(self.by_part(admin_client).values()) == {True}

    def test_what_was_not_seen_for_long_is_missed(self, admin_client: Client):
        assert set(self.by_part(admin_client).values()) == {True, False}
        heartbeats.note("beat", now=timezone.now() - timedelta(minutes=5))
        heartbeats.note("deliveries", now=timezone.now())
        assert self.by_part(admin_client) == {
            "Redis": True,
            "Beat": False,
            "Housekeeping worker": False,
            "Deliveries worker": True,
            "Sweep": False,
        }

    def test_redis_is_missed(self, admin_client: Client, settings: Settings):
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        lanes.connect.cache_clear()
        try:
            assert self.by_part(admin_client)["Redis"] is False
        finally:
            lanes.connect.cache_clear()


def test_never_reads_the_large_tables(admin_client: Client, django_assert_max_num_queries: Any):
    AttemptFactory(outcome=Outcome.TIMEOUT.value)
    rollups.run(timezone.now())
    with django_assert_max_num_queries(14) as statements:
        shown(admin_client)
        admin_client.get(reverse("admin:index"))
    tables = " ".join(statement["sql"] for statement in statements.captured_queries)
    assert "dispatch_rollup" in tables
    assert not any(f'"dispatch_{name}"' in tables for name in ("event", "delivery", "attempt"))


def test_is_for_those_who_may_see_deliveries(client: Client, django_user_model: Any):
    assert client.get(DATA).status_code == 302
    user = django_user_model.objects.create_user("guest", is_staff=True)
    client.force_login(user)
    assert client.get(DATA).status_code == 403
    assert "You may not see deliveries." in text_of(client.get(reverse("admin:index")))
    user.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    assert client.get(DATA).status_code == 200
    assert 'id="dashboard"' in text_of(client.get(reverse("admin:index")))
