import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import Settings

from subscriptions.models import Endpoint
from tests.admin_pages import messages_of, page, run_action, text_of
from tests.factories import NOON, EndpointFactory

LEASE = timedelta(seconds=60)


@pytest.fixture
def endpoint(settings: Settings, db: None) -> Endpoint:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, ownership_challenge=True)
    endpoint = EndpointFactory()
    endpoint.begin_challenge(now=NOON)
    return endpoint


def test_the_page_tells_what_became_of_the_challenge(admin_client: Client, endpoint: Endpoint):
    assert "None was sent yet." in text_of(admin_client.get(page(endpoint)))
    endpoint.claim_challenge("a" * 64, now=NOON, lease=LEASE)
    shown = text_of(admin_client.get(page(endpoint)))
    assert "A challenge is under way." in shown
    assert "a" * 64 not in shown
    endpoint.fail_challenge("a" * 64, now=NOON, outcome="wrong_answer", error="It said no.", retry_in=LEASE)
    shown = text_of(admin_client.get(page(endpoint)))
    for text in ("Wrong answer", "It said no.", "2026-03-01 12:00:00.000", "2026-03-01 12:01:00.000"):
        assert text in shown


def test_the_page_of_an_endpoint_that_was_never_challenged_says_nothing_of_it(admin_client: Client):
    endpoint = EndpointFactory()
    shown = text_of(admin_client.get(page(endpoint)))
    assert "Ownership challenge" not in shown
    assert page(endpoint, "challenge") not in shown


def test_the_button_asks_first_and_then_has_it_sent(admin_client: Client, endpoint: Endpoint):
    endpoint.claim_challenge("a" * 64, now=NOON, lease=LEASE)
    endpoint.fail_challenge("a" * 64, now=NOON, outcome="timeout", error="", retry_in=None)
    assert page(endpoint, "challenge") in text_of(admin_client.get(page(endpoint)))
    assert "A signed challenge is sent to this URL" in text_of(admin_client.get(page(endpoint, "challenge")))
    endpoint.refresh_from_db()
    assert endpoint.challenge_due_at is None

    response = admin_client.post(page(endpoint, "challenge"))
    assert messages_of(response) == ["The challenge is being sent. Reload this page to see what comes of it."]
    endpoint.refresh_from_db()
    assert endpoint.challenge_due_at is not None
    assert LogEntry.objects.get().get_change_message() == "Asked for its ownership challenge."


@pytest.mark.usefixtures("endpoint")
def test_others_are_not_challenged_and_told_so(admin_client: Client):
    active = EndpointFactory(description="Billing")
    expected = "Billing: Only an unverified endpoint is challenged. This one is active."
    assert messages_of(admin_client.post(page(active, "challenge"))) == [expected]
    assert messages_of(run_action(admin_client, "challenge", active)) == [expected, expected]
    assert not LogEntry.objects.exists()


def test_resuming_does_not_get_around_the_challenge(admin_client: Client, endpoint: Endpoint):
    admin_client.post(page(endpoint, "pause"))
    response = admin_client.post(page(endpoint, "resume"))
    assert messages_of(response) == ["It is paused now.", "It is unverified now."]
    endpoint.refresh_from_db()
    assert endpoint.state == "unverified"


def test_it_is_for_those_who_may(client: Client, django_user_model: Any, endpoint: Endpoint):
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    assert client.post(page(endpoint, "challenge")).status_code == 403
