"""The page of an event: its deliveries as they arrive, in what order, and who got none."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from dispatch.models import Delivery, Event
from dispatch.publish import publish_event
from dispatch.states import Outcome
from subscriptions.models import Endpoint
from tests.admin_pages import page, text_of
from tests.factories import NOON, AttemptFactory, DeliveryFactory, EndpointFactory, EventFactory

pytestmark = pytest.mark.django_db


def test_shows_its_data_and_its_deliveries(admin_client: Client, django_assert_max_num_queries: Any):
    endpoints = EndpointFactory.create_batch(4)
    event = publish_event("invoice.paid", {"to": "Zoë"}).event
    # Django remembers content types from the first page on.
    admin_client.get(page(event))
    # The session, the user, the event twice, its payload, deliveries with their endpoints, attempts, and who got none.
    with django_assert_max_num_queries(8):
        shown = text_of(admin_client.get(page(event)))
    assert "&quot;to&quot;: &quot;Zoë&quot;" in shown
    for endpoint in endpoints:
        assert endpoint.id in shown


def test_of_very_many_deliveries_shows_the_first(admin_client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dispatch.admin.event_page._SHOWN", 2)
    endpoints = EndpointFactory.create_batch(3)
    shown = text_of(admin_client.get(page(publish_event("invoice.paid", {}).event)))
    assert [endpoint.id in shown for endpoint in endpoints] == [True, True, False]
    assert "These are the first 2: see all" in shown


def test_tells_what_happened_in_its_order(admin_client: Client):
    delivery = DeliveryFactory()
    AttemptFactory(delivery=delivery, number=2, started_at=NOON + timedelta(minutes=5))
    AttemptFactory(
        delivery=delivery, started_at=NOON + timedelta(milliseconds=3), outcome=Outcome.TIMEOUT.value, status_code=None
    )
    steps = admin_client.get(page(delivery.event)).context["steps"]
    assert [(step.attempt.number, step.after) for step in steps] == [(1, "3 ms"), (2, "5 min")]


def test_says_of_endpoints_without_a_delivery_why(admin_client: Client):
    event = EventFactory()
    endpoint = EndpointFactory(event_types=["order.made"])
    Endpoint.objects.update(created_at=NOON - timedelta(days=1))
    unsent = dict(admin_client.get(page(event)).context["unsent"])
    assert unsent[endpoint] == "The endpoint does not want invoice.paid: its event types are order.made."


class TestItsArrivals:
    def arrivals(self, client: Client, event: Event) -> Any:
        return client.get(page(event, "arrivals"))

    def test_are_asked_for_until_all_are_over(self, admin_client: Client):
        delivery = DeliveryFactory()
        response = self.arrivals(admin_client, delivery.event)
        assert 'data-is-over="false"' in text_of(response)
        assert "no-store" in response.headers["Cache-Control"]
        Delivery.objects.update(status="cancelled", next_attempt_at=None, finished_at=NOON)
        text = text_of(self.arrivals(admin_client, delivery.event))
        assert 'data-is-over="true"' in text
        assert "1 cancelled" in text

    def test_are_for_those_who_may_see_events(self, client: Client, django_user_model: Any):
        event = EventFactory()
        client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
        assert self.arrivals(client, event).status_code == 403

    def test_of_no_event_are_not_there(self, admin_client: Client):
        event = EventFactory()
        address = page(event, "arrivals")
        event.delete()
        assert admin_client.get(address).status_code == 404
