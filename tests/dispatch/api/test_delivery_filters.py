from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from dispatch.api.bounded import Bounded
from dispatch.models import Delivery
from dispatch.selection import first_id
from subscriptions.models import Scope
from tests.api_client import ApiClient, assert_refused
from tests.factories import NOON, DeliveryFactory, EndpointFactory, EventFactory


def found(api: ApiClient, **query: str) -> list[str]:
    return [row["id"] for row in api.get("deliveries/", **query).json()["results"]]


def made_at(moment: datetime, **fields: Any) -> Delivery:
    return DeliveryFactory(id=first_id("dlv", moment), created_at=moment, **fields)


def ended(status: str, outcome: str, status_code: int | None = None) -> Delivery:
    return DeliveryFactory(
        status=status, next_attempt_at=None, last_outcome=outcome, last_status_code=status_code, finished_at=NOON
    )


def test_deliveries_are_listed_by_outcome_and_class_of_the_response(api: ApiClient):
    ok = ended("delivered", "success", 204)
    bad, worse = ended("failed", "http_error", 400), ended("failed", "http_error", 599)
    slow = ended("failed", "timeout")
    assert found(api, outcome="http_error") == [worse.id, bad.id]
    assert found(api, outcome="timeout") == [slow.id]
    assert found(api, response_class="2xx") == [ok.id]
    assert found(api, response_class="4xx", outcome="http_error", status="failed") == [bad.id]
    assert found(api, response_class="5xx") == [worse.id]


def test_deliveries_are_listed_by_when_they_were_made(api: ApiClient):
    first, second, third = [made_at(NOON + timedelta(hours=hours)) for hours in (0, 1, 2)]
    assert found(api, created_after="2026-03-01T13:00:00Z") == [third.id, second.id]
    assert found(api, created_before="2026-03-01T13:00:00Z") == [first.id]
    assert found(api, created_after="2026-03-01T14:30:00+01:30", created_before="2026-03-01T14:00:00Z") == [second.id]


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"created_after": "yesterday"}, "created_after", "Write a time with its zone, such as 2026-03-01T12:00:00Z."),
        (
            {"created_before": "2026-03-01T12:00:00"},
            "created_before",
            "Write a time with its zone, such as 2026-03-01T12:00:00Z.",
        ),
        ({"response_class": "6xx"}, "response_class", "6xx is unknown: write one of 1xx, 2xx, 3xx, 4xx, 5xx."),
        ({"cursor": "nothing"}, "cursor", "Take the cursor from `next` or `previous` of a page."),
        ({"cursor": "WyJvbGRlciIsWzFdXQ=="}, "cursor", "Take the cursor from `next` or `previous` of a page."),
        ({"limit": "251"}, "limit", "Write a number from 1 to 250."),
    ],
)
def test_a_wrong_filter_is_refused(api: ApiClient, query: dict[str, str], field: str, message: str):
    assert_refused(api.get("deliveries/", **query), field, message)


def pages(api: ApiClient, key: str, address: str | None) -> list[list[str]]:
    seen = []
    while address is not None:
        path, _, query = address.partition("?")
        page = api.get(path.partition("/api/v1/")[2], **dict(part.split("=", 1) for part in query.split("&"))).json()
        seen.append([row["id"] for row in page["results"]])
        address = page[key]
    return seen


def test_pages_lead_on_and_back_while_rows_are_added(api: ApiClient):
    rows = [delivery.id for delivery in DeliveryFactory.create_batch(5)][::-1]
    first = api.get("deliveries/", limit="2", status="pending").json()
    assert ([row["id"] for row in first["results"]], first["previous"]) == (rows[:2], None)
    new = DeliveryFactory().id
    address = first["next"].replace("%3D", "=")
    assert pages(api, "next", address) == [rows[2:4], rows[4:]]
    second = api.get("deliveries/", **dict(part.split("=", 1) for part in address.partition("?")[2].split("&"))).json()
    assert pages(api, "previous", second["previous"].replace("%3D", "=")) == [rows[:2], [new]]


def test_a_page_looks_at_a_bounded_number_of_rows_and_leads_on(api: ApiClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Bounded, "looked_at", 3)
    rare = ended("delivered", "success", 299)
    for _ in range(7):
        ended("delivered", "success", 200)
    rarer = ended("delivered", "timeout", None)
    first = api.get("deliveries/", outcome="timeout").json()
    assert [row["id"] for row in first["results"]] == [rarer.id]
    assert pages(api, "next", first["next"].replace("%3D", "=")) == [[], [], []]
    monkeypatch.setattr(Bounded, "looked_at", 9)
    assert found(api, outcome="timeout", limit="1") == [rarer.id]
    assert found(api, outcome="success", limit="250")[-1] == rare.id


def test_a_subscribers_key_sees_its_own(api: ApiClient):
    mine, _ = DeliveryFactory.create_batch(2)
    acme = ApiClient.with_new_key(Scope.SUBSCRIBER, mine.endpoint.subscriber)
    assert found(acme) == found(acme, status="pending") == [mine.id]


def test_a_filtered_list_takes_as_many_statements_however_long_it_is(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    endpoint = EndpointFactory(subscriber__uid="acme")
    for _ in range(4):
        DeliveryFactory(endpoint=endpoint, event=EventFactory(type="a.b"))
    # Key, subscriber, its endpoints, the page, its attempts, and whether there is more.
    with django_assert_num_queries(6):
        assert len(found(api, subscriber="acme", event_type="a.b", status="pending", limit="250")) == 4


def test_the_time_in_an_id_is_that_of_its_making(api: ApiClient):
    delivery = DeliveryFactory()
    now = datetime.now(UTC)
    assert first_id("dlv", now - timedelta(minutes=1)) < delivery.id < first_id("dlv", now + timedelta(minutes=1))
    assert found(api, created_before="0001-01-01T00:00:00Z") == found(api, created_after="9999-12-31T00:00:00Z") == []
