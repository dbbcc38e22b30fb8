"""The page of a delivery says where it stands and why, shows each attempt, and lets one retry and cancel."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from dispatch.models import Delivery, RequestHead
from dispatch.why import why_of
from tests.admin_pages import messages_of, page, text_of
from tests.factories import NOON, AttemptFactory, DeliveryFactory, EventFactory

pytestmark = pytest.mark.django_db
OVER: dict[str, Any] = {"next_attempt_at": None, "finished_at": NOON}


def verb(delivery: Delivery, name: str) -> str:
    return page(delivery, name)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "delivered", "attempt_count": 2, **OVER},
        {"status": "cancelled", "note": "The endpoint is disabled.", **OVER},
        {"status": "failed", "attempt_count": 10, "last_outcome": "timeout", **OVER},
        {"endpoint__state": "paused", "endpoint__state_reason": "By ada."},
        {"endpoint__state": "disabled"},
        {"next_attempt_at": NOON + timedelta(days=36500), "attempt_count": 1, "last_outcome": "http_error"},
    ],
)
def test_says_where_it_stands_and_why(admin_client: Client, fields: dict[str, Any]):
    delivery = DeliveryFactory(**fields)
    sentence = why_of(delivery, delivery.endpoint, now=timezone.now()).sentence
    assert escape(sentence) in text_of(admin_client.get(page(delivery)))


def test_shows_request_and_response_of_each_attempt_and_its_parts(admin_client: Client):
    head = RequestHead.objects.create(
        id=uuid.uuid4(),
        url="https://receiver.example/…",
        headers=[["User-Agent", "dispatcher"], ["webhook-id", "{id}"]],
        payload_format="data",
    )
    delivery = DeliveryFactory(event=EventFactory(payload='{"to":"Zoë"}'))
    times = {"dns_ms": 10, "connect_ms": 20, "tls_ms": 30, "first_byte_ms": 30, "duration_ms": 100}
    AttemptFactory(delivery=delivery, request_head=head, response_body='{"a":1}', **times)
    AttemptFactory(delivery=delivery, number=2, outcome="timeout", status_code=None, duration_ms=50, error="Too slow.")
    shown = text_of(admin_client.get(page(delivery)))
    for text in (
        "POST https://receiver.example/…",
        f"webhook-id: {delivery.event_id}",
        "&quot;to&quot;: &quot;Zoë&quot;",
        "&quot;a&quot;: 1",
        "Content-Type: text/plain",
        'style="left: 10.00%; width: 20.00%" title="Connect: 20 ms"',
        'title="Rest: 10 ms"',
        'data-copy="curl -X POST',
        "Too slow.",
        "No answer came.",
        "Nothing is known of this request.",
    ):
        assert text in shown, text


def test_shows_the_body_in_the_format_that_was_sent(admin_client: Client):
    head = RequestHead.objects.create(id=uuid.uuid4(), url="https://a.example/…", headers=[], payload_format="thin")
    delivery = DeliveryFactory(event=EventFactory(payload='{"to":"Zoë"}'))
    AttemptFactory(delivery=delivery, request_head=head)
    shown = text_of(admin_client.get(page(delivery)))
    assert "&quot;timestamp&quot;: &quot;2026-03-01T12:00:00.000000Z&quot;" in shown
    assert "Zoë" not in shown


def test_a_failed_delivery_is_retried(admin_client: Client):
    delivery = DeliveryFactory(status="failed", attempt_count=3, **OVER)
    assert verb(delivery, "retry") in text_of(admin_client.get(page(delivery)))
    response = admin_client.post(verb(delivery, "retry"))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.manual_attempt) == ("pending", 4)
    assert messages_of(response) == ["It goes out as soon as it is its endpoint's turn."]


def test_a_pending_delivery_is_cancelled_and_says_by_whom(admin_client: Client):
    delivery = DeliveryFactory()
    admin_client.post(verb(delivery, "cancel"))
    assert "Cancelled by user admin." in text_of(admin_client.get(page(delivery)))


def test_what_cannot_be_is_said(admin_client: Client):
    delivery = DeliveryFactory(status="delivered", **OVER)
    shown = text_of(admin_client.get(page(delivery)))
    assert verb(delivery, "retry") not in shown
    assert verb(delivery, "cancel") not in shown
    (message,) = messages_of(admin_client.post(verb(delivery, "retry")))
    assert message == "The delivery has reached its receiver: nothing is sent after a success."


def test_is_for_those_who_may(client: Client, django_user_model: Any):
    delivery = DeliveryFactory()
    user = django_user_model.objects.create_user("guest", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    client.force_login(user)
    assert verb(delivery, "retry") not in text_of(client.get(page(delivery)))
    for name in ("retry", "cancel"):
        assert client.post(verb(delivery, name)).status_code == 403
        assert client.get(verb(delivery, name)).status_code == 405
