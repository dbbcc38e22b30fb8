"""Lists in the admin that stay as fast as they are however many rows there are."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dispatch.models import Attempt, Delivery, Event
from subscriptions import statement_limit
from tests.admin_pages import listed, messages_of, page, text_of
from tests.factories import AttemptFactory, DeliveryFactory, EndpointFactory, EventFactory, SubscriberFactory

MODELS = [Event, Delivery, Attempt]
pytestmark = pytest.mark.django_db


def pages_from(client: Client, model: Any, query: str, direction: str) -> list[list[Any]]:
    """Give the rows of a page and of all that follow it in one direction."""
    found = []
    while query is not None:
        changes = client.get(page(model, "changelist") + query).context["cl"]
        found.append(changes.result_list)
        query = getattr(changes, direction)
    return found


@pytest.mark.parametrize("model", MODELS)
def test_pages_lead_to_every_row_and_back(admin_client: Client, model: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("subscriptions.admin.base.RecordAdmin.list_per_page", 2)
    AttemptFactory.create_batch(5)
    rows = list(model.objects.order_by("-pk"))
    assert pages_from(admin_client, model, "", "older") == [rows[:2], rows[2:4], rows[4:]]
    assert pages_from(admin_client, model, f"?before={rows[3].pk}", "newer") == [rows[4:], rows[2:4], rows[:2]]


def test_a_page_keeps_the_filters(admin_client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("subscriptions.admin.base.RecordAdmin.list_per_page", 1)
    wanted = DeliveryFactory.create_batch(2, status="delivered", next_attempt_at=None)
    DeliveryFactory()
    pages = pages_from(admin_client, Delivery, "?status__exact=delivered", "older")
    assert pages == [[wanted[1]], [wanted[0]]]


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_counted(admin_client: Client, model: Any, django_assert_max_num_queries: Any):
    AttemptFactory.create_batch(2)
    with django_assert_max_num_queries(9) as statements:
        admin_client.get(page(model, "changelist"), {"period": "1h"})
    assert not any("COUNT(" in statement["sql"].upper() for statement in statements.captured_queries)


def test_a_page_after_nothing_leads_back_to_the_list(admin_client: Client):
    assert admin_client.get(page(Delivery, "changelist"), {"before": "dlv_x"}).status_code == 302


class TestWhatNoIndexServes:
    """Such a page looks at a bounded number of rows, and leads on where there may be more."""

    @pytest.fixture(autouse=True)
    def three_are_looked_at(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.WEBHOOKS = replace(settings.WEBHOOKS, list_rows=3)
        monkeypatch.setattr("subscriptions.admin.base.RecordAdmin.list_per_page", 2)

    def test_every_row_is_found_by_going_on(self, admin_client: Client):
        endpoint = EndpointFactory()
        rare = {"last_outcome": "timeout", "endpoint": endpoint}
        first = DeliveryFactory(**rare)
        others = DeliveryFactory.create_batch(7, endpoint=endpoint, last_outcome="success")
        last = DeliveryFactory(**rare)
        for query in ("?last_outcome__exact=timeout", f"?last_outcome__exact=timeout&endpoint={endpoint.pk}"):
            assert pages_from(admin_client, Delivery, query, "older") == [[last], [], [first], []]
            back = f"{query}&after={others[0].pk}"
            assert pages_from(admin_client, Delivery, back, "newer") == [[], [], [last]]
        text = text_of(admin_client.get(page(Delivery, "changelist") + query))
        assert "One page looks at a limited number of rows at most" in text
        assert f"before={others[5].pk}" in text

    def test_an_endpoints_failures_are_looked_for_among_its_deliveries(self, admin_client: Client):
        failed = DeliveryFactory(status="failed", next_attempt_at=None)
        DeliveryFactory.create_batch(3, endpoint=failed.endpoint)
        DeliveryFactory.create_batch(3)
        query = f"?status__exact=failed&endpoint={failed.endpoint_id}"
        assert pages_from(admin_client, Delivery, query, "older") == [[], [failed]]
        assert pages_from(admin_client, Delivery, "?status__exact=failed", "older") == [[failed]]

    def test_attempts_are_no_different(self, admin_client: Client):
        first = AttemptFactory(status_code=503, outcome="http_error")
        AttemptFactory.create_batch(4)
        assert pages_from(admin_client, Attempt, "?code=5", "older") == [[], [first]]


class TestFilters:
    @pytest.fixture
    def attempt(self) -> Attempt:
        AttemptFactory(delivery__event__type="invoice.sent")
        subscriber = SubscriberFactory(uid="acme")
        endpoint = EndpointFactory(subscriber=subscriber)
        delivery = DeliveryFactory(
            endpoint=endpoint,
            event=EventFactory(subscriber=subscriber, type="user.created", idempotency_key="once"),
            status="failed",
            next_attempt_at=None,
            last_outcome="http_error",
            last_status_code=503,
        )
        return AttemptFactory(delivery=delivery, outcome="http_error", status_code=503)

    @pytest.mark.parametrize(
        "query",
        [
            {"status__exact": "failed"},
            {"last_outcome__exact": "http_error"},
            {"code": "5"},
            {"event_type": "user.created"},
            {"subscriber": "acme"},
        ],
    )
    def test_of_deliveries(self, admin_client: Client, attempt: Attempt, query: dict[str, str]):
        assert listed(admin_client, Delivery, **query) == [attempt.delivery]

    @pytest.mark.parametrize("query", [{"outcome__exact": "http_error"}, {"code": "5"}, {"event_type": "user.created"}])
    def test_of_attempts(self, admin_client: Client, attempt: Attempt, query: dict[str, str]):
        assert listed(admin_client, Attempt, **query) == [attempt]

    def test_by_endpoint(self, admin_client: Client, attempt: Attempt):
        query = {"endpoint": attempt.delivery.endpoint_id}
        assert listed(admin_client, Delivery, **query) == [attempt.delivery]
        assert listed(admin_client, Attempt, **query) == [attempt]

    def test_attempts_by_endpoint_and_subscriber_however_many(
        self, admin_client: Client, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
    ):
        second = AttemptFactory(delivery__endpoint=attempt.delivery.endpoint)
        for few in (10, 1):
            monkeypatch.setattr("dispatch.admin.filters._FEW", few)
            for query in ({"endpoint": attempt.delivery.endpoint_id}, {"subscriber": "acme"}):
                assert listed(admin_client, Attempt, **query) == [second, attempt]

    def test_by_no_answer(self, admin_client: Client, attempt: Attempt):
        none = AttemptFactory(outcome="timeout", status_code=None)
        assert listed(admin_client, Attempt, code="none") == [none]

    def test_of_events(self, admin_client: Client, attempt: Attempt):
        for query in ({"event_type": "user.created"}, {"subscriber": "acme"}):
            assert listed(admin_client, Event, **query) == [attempt.delivery.event]

    def test_what_is_not_there_is_said(self, admin_client: Client):
        response = admin_client.get(page(Delivery, "changelist"), {"subscriber": "nobody", "endpoint": "ep_1"})
        assert messages_of(response) == ["There is no subscriber 'nobody'.", "There is no endpoint 'ep_1'."]

    @pytest.mark.parametrize("text", ["acme", " once ", "user.created"])
    def test_searching_is_exact(self, admin_client: Client, attempt: Attempt, text: str):
        assert listed(admin_client, Event, q=text) == [attempt.delivery.event]
        assert listed(admin_client, Delivery, q=text) == [attempt.delivery]
        assert listed(admin_client, Attempt, q=text) == [attempt]

    def test_by_time(self, admin_client: Client):
        with time_machine.travel(timezone.now() - timedelta(hours=2), tick=False):
            old = EventFactory()
        new = EventFactory()
        assert listed(admin_client, Event, period="1h") == [new]
        assert listed(admin_client, Event, period="24h") == [new, old]


def test_rows_lead_to_what_they_belong_to(admin_client: Client):
    attempt = AttemptFactory()
    shown = text_of(admin_client.get(page(Attempt, "changelist")))
    assert f'href="{page(attempt.delivery)}"' in shown
    assert f'href="{page(attempt.delivery.endpoint)}"' in shown


@pytest.mark.django_db(transaction=True)
class TestTimeLimit:
    @pytest.fixture(autouse=True)
    def only_postgresql(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has no time limit for a statement")

    def test_ends_what_takes_too_long_and_nothing_else(self):
        with pytest.raises(statement_limit.TookTooLong), statement_limit.at_most(0.05), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(10)")
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)

    def test_a_time_that_is_over_as_a_statement_ends_is_nobodys_trouble(self):
        refused = []

        def refuse_once(execute: Any, sql: str, *rest: Any) -> Any:
            if sql.startswith("RESET") and not refused:
                refused.append(sql)
                return execute("SET statement_timeout = 1; SELECT pg_sleep(10)", *rest)
            return execute(sql, *rest)

        with connection.execute_wrapper(refuse_once), statement_limit.at_most(5):
            assert not Event.objects.exists()
        assert refused
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)

    def test_a_list_says_that_it_is_to_be_narrowed(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch):
        def slowly(*_: Any) -> list[Any]:
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = 20; SELECT pg_sleep(10)")
            return []

        monkeypatch.setattr("subscriptions.admin.long_list.KeysetPages._rows", slowly)
        response = admin_client.get(page(Delivery, "changelist"))
        assert response.status_code == 200
        assert messages_of(response)[0].startswith("This would have taken the database longer than 5 seconds. Narrow")
