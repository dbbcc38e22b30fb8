"""Test events: from the API over a real worker to a real receiver, and what becomes of those that nobody takes."""

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from dispatch import outbox
from dispatch.models import Delivery, Event
from dispatch.publish import publish_test
from dispatch.sweep import rescue
from subscriptions import ids
from subscriptions.models import Endpoint, EventType
from tests.api_client import ApiClient, assert_refused
from tests.dispatch.deliveries import endpoint_at
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.workers import working
from tests.factories import NOON, EndpointFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api() -> ApiClient:
    return ApiClient.with_new_key()


def test_an_endpoint_is_tested_whatever_its_state(
    api: ApiClient, process_environment: dict[str, str], settings: Settings
):
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, test_wait=20)
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.flushdb()
    with receiving(Answer(), Answer(status=500)) as receiver, working(process_environment):
        endpoint = endpoint_at(receiver.url)
        endpoint.change_state("paused", reason="", now=NOON)
        EndpointFactory()
        first = api.post(f"endpoints/{endpoint.id}/test/", {"event_type": "invoice.paid", "data": {"amount": 1}})
        path, body = f"endpoints/{endpoint.id}/test/", {"event_type": "invoice.paid"}
        api._headers["Idempotency-Key"] = "once"
        second, again = api.post(path, body), api.post(path, body)
        bodies = [received.body for received in receiver.received]
    assert (first.status_code, second.status_code) == (200, 200)
    assert bodies == [b'{"amount":1}', b'{"test":true}']
    [attempt] = first.json()["attempts"]
    assert (attempt["trigger"], attempt["outcome"], attempt["status_code"]) == ("test", "success", 200)
    assert (attempt["dns_ms"], attempt["tls_ms"]) == (None, None)
    assert attempt["connect_ms"] is not None
    assert attempt["first_byte_ms"] is not None
    # A test has one attempt, also where that fails.
    assert second.json() == again.json()
    assert (second.json()["status"], second.json()["trigger"]) == ("failed", "test")
    assert Delivery.objects.count() == 2
    request = api.get(f"attempts/{attempt['id']}/").json()["request"]
    sent = receiver.received[0].headers
    shown = {name: value for name, value in request["headers"].items() if value != "…"}
    assert shown == {name: value for name, value in sent.items() if name != "webhook-signature"}


def test_who_asks_does_not_wait_for_ever(api: ApiClient, settings: Settings):
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, test_wait=0)
    endpoint = EndpointFactory()
    response = api.post(f"endpoints/{endpoint.id}/test/", {"event_type": "invoice.paid"})
    assert (response.status_code, response.json()["status"], response.json()["attempts"]) == (202, "sending", [])
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.flushdb()


def test_without_data_it_carries_the_example_of_its_type():
    EventType.objects.register(name="invoice.paid", example={"amount": 1})
    test = publish_test(EndpointFactory(), "invoice.paid", now=NOON)
    assert test.event.payload == '{"amount":1}'


def test_what_no_worker_takes_has_failed(settings: Settings):
    test = publish_test(EndpointFactory(), "invoice.paid", now=NOON)
    rescue(NOON + timedelta(seconds=settings.WEBHOOKS.claim_lease + 1))
    test.refresh_from_db()
    assert (test.status, test.next_attempt_at) == ("failed", None)
    assert test.attempts.get().error.startswith("No worker took it in time")


def test_a_test_is_taken_once_and_served_by_no_pump():
    endpoint: Endpoint = EndpointFactory()
    test = publish_test(endpoint, "invoice.paid", now=NOON)
    delivery, lane = ids.decode("dlv", test.pk), ids.decode("ep", endpoint.pk)
    now = timezone.now()
    assert outbox.claim({lane: 9}, now=now, lease=60, worker="w").claims == []
    claim = outbox.take_test(delivery, now=now, lease=60, worker="host:1")
    assert claim is not None
    assert (claim.delivery_id, claim.endpoint_id, claim.attempt) == (delivery, lane, 1)
    assert outbox.take_test(delivery, now=now, lease=60, worker="host:2") is None


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "event_type", "This field is required."),
        ({"event_type": "a.b", "x": 1}, "x", "There is no such field."),
    ],
)
def test_a_wrong_test_is_refused(api: ApiClient, body: dict[str, object], field: str, message: str):
    assert_refused(api.post(f"endpoints/{EndpointFactory().id}/test/", body), field, message)
    assert Event.objects.count() == 0


def test_a_wrong_type_is_refused_by_the_name_of_its_field(api: ApiClient):
    response = api.post(f"endpoints/{EndpointFactory().id}/test/", {"event_type": "no spaces"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "event_type")
