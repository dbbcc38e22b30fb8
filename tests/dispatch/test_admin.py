from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from dispatch.models import Attempt, Delivery, Event
from tests.admin_pages import listed, page, run_action, text_of
from tests.factories import (
    AttemptFactory,
    DeliveryFactory,
    EventFactory,
    SubscriberFactory,
)

MODELS = [Event, Delivery, Attempt]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_list_that_can_be_filtered_and_searched(admin_client: Client, model: Any):
    AttemptFactory.create_batch(2)
    options = admin.site.get_model_admin(model)
    assert options.list_filter
    assert options.show_full_result_count is False
    assert listed(admin_client, model) == list(model.objects.order_by("-pk"))
    for text in ("invoice.paid", "nothing to find", "evt_wrong", "192.0.2.1:443"):
        assert admin_client.get(page(model, "changelist"), {"q": text}).status_code == 200


@pytest.mark.parametrize(
    ("model", "of"),
    [
        (Event, lambda attempt: attempt.delivery.event),
        (Delivery, lambda attempt: attempt.delivery),
        (Attempt, lambda attempt: attempt),
    ],
)
def test_rows_are_found_by_their_id_and_by_those_of_what_they_belong_to(admin_client: Client, model: Any, of: Any):
    attempt, _ = AttemptFactory.create_batch(2)
    delivery = attempt.delivery
    texts = [of(attempt).pk, delivery.pk, delivery.event_id]
    if model is not Event:
        texts += [delivery.endpoint_id, delivery.endpoint.subscriber_id]
    for text in texts:
        assert listed(admin_client, model, q=text) == [of(attempt)]


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_as_many_statements_for_many_rows_as_for_one(
    admin_client: Client, model: Any, django_assert_max_num_queries: Any
):
    for delivery in DeliveryFactory.create_batch(5, event__subscriber=SubscriberFactory()):
        AttemptFactory(delivery=delivery)
    # The session, the user, the rows, and on PostgreSQL a time limit before and after them.
    with django_assert_max_num_queries(5):
        assert len(listed(admin_client, model)) == 5


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_changed_or_deleted(admin_client: Client, model: Any):
    AttemptFactory()
    row = model.objects.get()
    before = model.objects.values().get()
    assert admin_client.get(page(row)).status_code == 200
    assert admin_client.post(page(row), {"status": "failed"}).status_code == 403
    assert admin_client.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    run_action(admin_client, "delete_selected", row)
    assert model.objects.values().get() == before


@pytest.mark.parametrize("model", [Delivery, Attempt])
def test_deliveries_and_attempts_are_not_added_by_hand(admin_client: Client, model: Any):
    assert admin_client.get(page(model, "add")).status_code == 403
    assert admin_client.post(page(model, "add"), {}).status_code == 403


def test_a_delivery_shows_its_attempts_in_order(admin_client: Client):
    delivery = DeliveryFactory()
    AttemptFactory(delivery=delivery, number=2, error="Second error.")
    AttemptFactory(delivery=delivery, number=1, error="First error.")
    shown = text_of(admin_client.get(page(delivery)))
    assert 0 < shown.index("First error.") < shown.index("Second error.")
    assert delivery.event_id in shown


def test_an_attempt_shows_what_the_receiver_answered_as_text(admin_client: Client):
    attempt = AttemptFactory(response_headers={"Server": "nginx"}, response_body="<script>alert(1)</script>")
    shown = text_of(admin_client.get(page(attempt)))
    assert "Server: nginx" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert(1)" not in shown
    assert "2026-03-01 12:00:00.000" in shown


def test_events_are_listed_without_reading_their_payloads(admin_client: Client, django_assert_max_num_queries: Any):
    EventFactory.create_batch(3)
    with django_assert_max_num_queries(5) as statements:
        assert len(listed(admin_client, Event)) == 3
    assert not any("payload" in statement["sql"] for statement in statements.captured_queries)
