"""The page of an endpoint shows how it does, sends tests, moves it, and gives code for its receiver."""

from datetime import timedelta
from typing import Any

import pytest
import trustme
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from dispatch import rollups
from dispatch.models import Delivery, EndpointHealth
from dispatch.publish import wait_for_test
from dispatch.states import Outcome
from subscriptions.models import Endpoint
from subscriptions.models.audit import Actor
from tests.admin_pages import messages_of, page, text_of
from tests.certificates_made import pem
from tests.factories import NOON, AttemptFactory, DeliveryFactory, EndpointFactory

pytestmark = pytest.mark.django_db


def test_shows_how_it_does(admin_client: Client):
    endpoint = EndpointFactory(state="paused", state_reason="Paused by ada.")
    delivery = DeliveryFactory(endpoint=endpoint)
    AttemptFactory(delivery=delivery, duration_ms=3)
    AttemptFactory(delivery=delivery, number=2, outcome=Outcome.TIMEOUT.value, status_code=None)
    AttemptFactory()
    rollups.run(timezone.now())
    response = admin_client.get(page(endpoint))
    shown = response.context
    assert (shown["traffic"].attempts, shown["success_rate"], shown["waiting"]) == (2, "50.0 %", "1")
    assert [each.number for each in shown["attempts"]] == [2, 1]
    assert {each["name"]: sum(each["attempts"]) for each in shown["chart"]["outcomes"]} == {"success": 1, "timeout": 1}
    assert "Paused by ada." in text_of(response)


def test_gives_code_with_its_header_names(admin_client: Client):
    endpoint = EndpointFactory(signature_schemes=[{"header": "X-Acme-Signature"}])
    text = text_of(admin_client.get(page(endpoint)))
    assert "x-acme-signature" in text
    assert text.count('role="tab"') == 7


class TestItsFacts:
    def of(self, client: Client, endpoint: Endpoint) -> dict[str, str]:
        return dict(client.get(page(endpoint)).context["facts"])

    def test_without_trouble_and_limits(self, admin_client: Client):
        assert self.of(admin_client, EndpointFactory()) == {
            "Breaker": "Closed: nothing has failed since the last success.",
            "Rate": "No limit.",
        }

    def test_say_until_when_its_breaker_is_open(self, admin_client: Client):
        endpoint = EndpointFactory()
        until = NOON + timedelta(days=36500)
        EndpointHealth.objects.create(
            endpoint=endpoint, noted_at=NOON, failing_since=NOON, failures=7, pauses=1, closed_until=until
        )
        text = self.of(admin_client, endpoint)["Breaker"]
        assert text.startswith("Too many attempts failed, so its breaker is open: ")
        assert text.endswith(f"Until {until:%Y-%m-%d %H:%M:%S} UTC.")
        EndpointHealth.objects.update(closed_until=None)
        assert self.of(admin_client, endpoint)["Breaker"] == (
            "Closed. Attempts that failed since the last success: 7, the first on 2026-03-01 12:00:00 UTC."
        )

    def test_name_its_limits(self, admin_client: Client):
        endpoint = EndpointFactory(rate_limit=2, max_in_flight=1, ordered=True)
        assert self.of(admin_client, endpoint)["Rate"] == (
            "At most 2 requests a second, at most 1 at a time, one after another"
        )

    def test_name_the_end_of_its_certificates(self, admin_client: Client):
        endpoint = EndpointFactory(url="https://receiver.example/")
        endpoint.set_tls({"ca_certificate": pem(trustme.CA())}, by=Actor("tests"))
        assert self.of(admin_client, endpoint)["CA certificate"].startswith("Ends on ")


@pytest.mark.parametrize(
    ("before", "verb", "after"),
    [
        ("active", "pause", "paused"),
        ("paused", "resume", "active"),
        ("active", "disable", "disabled"),
        ("disabled", "enable", "active"),
    ],
)
def test_moves_it(admin_client: Client, before: str, verb: str, after: str):
    endpoint = EndpointFactory(state=before)
    address = page(endpoint, verb)
    assert address in text_of(admin_client.get(page(endpoint)))
    assert messages_of(admin_client.post(address)) == [f"It is {after} now."]
    endpoint.refresh_from_db()
    assert endpoint.state == after
    assert address not in text_of(admin_client.get(page(endpoint)))


def test_who_comes_late_is_told_and_moves_nothing(admin_client: Client):
    endpoint = EndpointFactory(state="disabled", state_reason="The receiver answered 410 Gone.")
    assert messages_of(admin_client.post(page(endpoint, "resume"))) == [
        "Only an endpoint that is paused can be resumed. This one is disabled."
    ]
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.state_reason) == ("disabled", "The receiver answered 410 Gone.")


class TestSendingATest:
    @pytest.fixture(autouse=True)
    def nobody_sends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "dispatch.admin.endpoint.wait_for_test", lambda test, seconds: wait_for_test(test, seconds=0)
        )

    def test_shows_what_came_of_it(self, admin_client: Client):
        endpoint = EndpointFactory()
        response = admin_client.post(page(endpoint, "test"), {"event_type": "test.event"})
        delivery = Delivery.objects.get()
        assert (delivery.endpoint, delivery.trigger) == (endpoint, "test")
        assert response.headers["Location"] == f"{page(endpoint)}?test={delivery.pk}#test"
        assert messages_of(response) == ["The test is still under way. Reload this page to see what came of it."]
        AttemptFactory(delivery=delivery, status_code=202, response_body="Welcome")
        text = text_of(admin_client.get(response.headers["Location"]))
        assert "Success · 202" in text
        assert "Welcome" in text

    @pytest.mark.parametrize(
        ("event_type", "message"),
        [("", "Name the event type of the test."), ("a b", "'a b' is not an event type: ")],
    )
    def test_what_does_not_fit_is_said(self, admin_client: Client, event_type: str, message: str):
        (shown,) = messages_of(admin_client.post(page(EndpointFactory(), "test"), {"event_type": event_type}))
        assert shown.startswith(message)
        assert not Delivery.objects.exists()

    def test_of_another_endpoint_is_not_shown(self, admin_client: Client):
        attempt = AttemptFactory(response_body="Welcome")
        text = text_of(admin_client.get(f"{page(EndpointFactory())}?test={attempt.delivery_id}"))
        assert "Welcome" not in text


def test_viewers_can_do_none_of_it(client: Client, django_user_model: Any):
    user = django_user_model.objects.create_user("guest", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    endpoint = EndpointFactory()
    text = text_of(client.get(page(endpoint)))
    for verb in ("pause", "resume", "disable", "enable", "test"):
        assert page(endpoint, verb) not in text
        assert client.post(page(endpoint, verb)).status_code == 403
    assert Endpoint.objects.get().state == "active"


def test_opens_as_fast_with_many_deliveries(admin_client: Client, django_assert_max_num_queries: Any):
    endpoint = EndpointFactory()
    for minutes in range(60):
        AttemptFactory(
            delivery__endpoint=endpoint, delivery__next_attempt_at=timezone.now() + timedelta(minutes=minutes)
        )
    with django_assert_max_num_queries(30):
        admin_client.get(page(endpoint))
