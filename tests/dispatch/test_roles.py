"""Viewers look, operators act, administrators see secrets and users. Nobody may more than that."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from dispatch.models import Attempt, Delivery, Event
from dispatch.roles import ADMINISTRATOR, OPERATOR, VIEWER, make_roles
from subscriptions.models import ApiKey, AuditEntry, Endpoint, EventType, SigningSecret, Subscriber
from tests.admin_pages import messages_of, page, text_of
from tests.factories import AttemptFactory, EndpointFactory

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SEEN_BY_ALL = [Event, Delivery, Attempt, Subscriber, Endpoint, EventType, AuditEntry]
SEEN_BY_ADMINISTRATORS = [SigningSecret, ApiKey, User, Group]
pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return EndpointFactory(secret__value=SECRET)


def logged_in(role: str) -> Client:
    user = User.objects.create_user(role, password="right", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("role", [VIEWER, OPERATOR, ADMINISTRATOR])
def test_what_each_role_sees(role: str):
    AttemptFactory()
    client = logged_in(role)
    for model in SEEN_BY_ALL:
        assert client.get(page(model, "changelist")).status_code == 200, model
    for model in SEEN_BY_ADMINISTRATORS:
        expected = 200 if role == ADMINISTRATOR else 403
        assert client.get(page(model, "changelist")).status_code == expected, model
    assert client.get(reverse("admin_dashboard_data")).status_code == 200


@pytest.mark.parametrize(
    ("role", "status"), [(VIEWER, 403), (OPERATOR, 200), (ADMINISTRATOR, 200)], ids=[VIEWER, OPERATOR, ADMINISTRATOR]
)
def test_who_may_publish_and_add(role: str, status: int):
    client = logged_in(role)
    for model in (Event, Endpoint, Subscriber, EventType):
        assert client.get(page(model, "add")).status_code == status


def test_viewers_change_nothing(endpoint: Endpoint):
    client = logged_in(VIEWER)
    assert client.get(page(endpoint)).status_code == 200
    assert client.post(page(endpoint), {"url": "https://elsewhere.example/"}).status_code == 403
    assert client.post(page(endpoint, "pause")).status_code == 403
    assert client.get(reverse("admin:dispatch_bulkjob_ask", args=["pause"])).status_code == 403
    endpoint.refresh_from_db()
    assert endpoint.state == "active"


def test_operators_pause_but_see_no_secret(endpoint: Endpoint):
    client = logged_in(OPERATOR)
    assert messages_of(client.post(page(endpoint, "pause"))) == ["It is paused now."]
    assert "whsec_AAEC" not in text_of(client.get(page(endpoint)))
    secret = endpoint.signing_secrets.get()
    for verb, arguments in (("rotate", []), ("reveal", [secret.pk]), ("expire", [secret.pk])):
        address = reverse(f"admin:subscriptions_endpoint_{verb}_secret", args=[endpoint.pk, *arguments])
        assert client.get(address).status_code == 403
        assert client.post(address).status_code == 403


def test_the_secret_of_an_operators_new_endpoint_is_for_administrators(endpoint: Endpoint):
    body: dict[str, Any] = {"subscriber": endpoint.subscriber_id, "url": "https://receiver.example/new"}
    body |= {"event_types": "*", "signature_schemes": ["standard"]}
    (shown, *_) = messages_of(logged_in(OPERATOR).post(page(Endpoint, "add"), body))
    assert shown == "https://receiver.example/… has a new signing secret. Administrators can see it."


def test_administrators_reveal(endpoint: Endpoint):
    secret = endpoint.signing_secrets.get()
    address = reverse("admin:subscriptions_endpoint_reveal_secret", args=[endpoint.pk, secret.pk])
    assert SECRET in text_of(logged_in(ADMINISTRATOR).post(address, {"password": "right"}))


def test_making_roles_again_keeps_their_members_and_mends_their_permissions():
    user = User.objects.create_user("ada")
    group = Group.objects.get(name=VIEWER)
    user.groups.add(group)
    permissions = set(group.permissions.all())
    group.permissions.clear()
    call_command("migrate", verbosity=0)
    assert set(group.permissions.all()) == permissions
    make_roles()
    assert list(user.groups.all()) == [group]
