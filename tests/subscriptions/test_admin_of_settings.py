"""What the admin's pages do with endpoints' settings, event types, and with deleting."""

from typing import Any

import pytest
from django.test import Client

from dispatch.models import Delivery
from subscriptions.models import AuditEntry, Endpoint, EventType, Subscriber
from tests.admin_pages import errors_of, formset, messages_of, page, run_action, text_of
from tests.factories import NOON, DeliveryFactory, EndpointFactory, EventTypeFactory, SubscriberFactory

pytestmark = pytest.mark.django_db


def form(endpoint: Endpoint, **given: Any) -> dict[str, Any]:
    """Give what the page of an endpoint sends."""
    pattern = endpoint.event_type_patterns.get()
    rows = formset("event_type_patterns", [{"id": pattern.pk, "endpoint": endpoint.pk, "pattern": "*"}], [])
    others = formset("signing_secrets", [], []) | formset("tls", [], [])
    fields = {"url": endpoint.url, "signature_schemes": ["standard"], "payload_format": "data", "metadata": "{}"}
    return rows | others | fields | given


def test_an_endpoint_is_given_settings_of_its_own(admin_client: Client):
    endpoint = EndpointFactory()
    given = {
        "channels": "b, a",
        "payload_format": "full",
        "retry_schedule": "5, 60.5",
        "timeout": "3",
        "metadata": '{"a": "b"}',
    }
    assert admin_client.post(page(endpoint), form(endpoint, **given)).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.channels, endpoint.payload_format, endpoint.timeout) == (["a", "b"], "full", 3)
    assert (endpoint.retry_schedule, endpoint.metadata) == ([5, 60.5], {"a": "b"})
    shown = admin_client.get(page(endpoint)).context["adminform"].form
    assert (shown["channels"].value(), shown["retry_schedule"].value()) == ("a b", "5 60.5")


@pytest.mark.parametrize(("text", "schedule"), [("", None), ("none", [])])
def test_settings_are_taken_away(admin_client: Client, text: str, schedule: list[float] | None):
    endpoint = EndpointFactory(channels=["a"], retry_schedule=[5], timeout=3, metadata={"a": "b"})
    assert (
        admin_client.post(page(endpoint), form(endpoint, channels="", retry_schedule=text, metadata="")).status_code
        == 302
    )
    endpoint.refresh_from_db()
    assert (endpoint.channels, endpoint.retry_schedule, endpoint.timeout, endpoint.metadata) == ([], schedule, None, {})


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("channels", "a/b", "'a/b' is not a channel: write letters, digits and . _ : -, at most 128 characters."),
        ("retry_schedule", "soon", "Write numbers of seconds, such as 5, 300, 3600."),
        ("retry_schedule", "0", "0 is no delay: write a number of seconds from 1 to 604800."),
        ("timeout", "16", "Write a whole number of seconds from 1 to 15, or leave it empty."),
        ("metadata", '{"a": 1}', "The value of 'a' must be a text."),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(admin_client: Client, field: str, text: str, message: str):
    endpoint = EndpointFactory()
    assert errors_of(admin_client.post(page(endpoint), form(endpoint, **{field: text}))) == {field: [message]}


def test_a_new_endpoint_has_them_too(admin_client: Client):
    given = {
        "subscriber": SubscriberFactory().pk,
        "url": "https://receiver.example/",
        "event_types": "*",
        "signature_schemes": ["standard"],
        "payload_format": "thin",
        "channels": "a",
        "rate_limit": "600",
        "rate_period": "minute",
        "max_in_flight": "3",
        "ordered": "on",
        "when_head_fails": "skip",
        "when_disabled": "keep",
    }
    fields = admin_client.get(page(Endpoint, "add")).context["adminform"].form.fields
    assert given.keys() <= fields.keys()
    assert admin_client.post(page(Endpoint, "add"), given).status_code == 302
    endpoint = Endpoint.objects.get()
    assert (endpoint.payload_format, endpoint.channels, endpoint.metadata) == ("thin", ["a"], {})
    assert (endpoint.rate_limit, endpoint.rate_period, endpoint.max_in_flight) == (600, "minute", 3)
    assert (endpoint.ordered, endpoint.when_head_fails, endpoint.when_disabled) == (True, "skip", "keep")


def test_a_subscriber_has_notes(admin_client: Client):
    given = {"name": "Acme", "uid": "acme", "contact_email": "ops@acme.example", "metadata": ""}
    assert admin_client.post(page(Subscriber, "add"), given).status_code == 302
    assert Subscriber.objects.get().metadata == {}
    taken = admin_client.post(page(Subscriber, "add"), given)
    assert errors_of(taken) == {"uid": ["Subscriber with this Uid already exists."]}


def test_deleting_keeps_the_log_and_is_written_down(admin_client: Client):
    delivery = DeliveryFactory()
    endpoint, subscriber = delivery.endpoint, delivery.endpoint.subscriber
    assert admin_client.post(page(endpoint, "delete"), {"post": "yes"}).status_code == 302
    assert not Endpoint.objects.exists()
    chosen = {"action": "delete_selected", "_selected_action": [subscriber.pk], "post": "yes"}
    assert admin_client.post(page(Subscriber, "changelist"), chosen).status_code == 302
    assert not Subscriber.objects.exists()
    assert Delivery.objects.get().endpoint.subscriber == subscriber
    assert text_of(admin_client.get(page(delivery))).count(endpoint.id)
    deleted = AuditEntry.objects.filter(action="deleted").values_list("object_id", "actor")
    assert set(deleted) == {(endpoint.pk, "user admin"), (subscriber.pk, "user admin")}


def test_event_types_are_archived_and_brought_back(admin_client: Client):
    event_type = EventTypeFactory(name="invoice.paid")
    assert messages_of(run_action(admin_client, "archive", event_type)) == ["Archived: 1."]
    assert EventType.objects.get().archived
    assert messages_of(run_action(admin_client, "bring_back", event_type))[-1] == "Brought back: 1."
    assert not EventType.objects.get().archived


def test_an_event_type_that_is_asked_for_by_name_is_not_deleted(admin_client: Client):
    event_type = EventTypeFactory(name="invoice.paid", archived_at=NOON)
    endpoint = EndpointFactory(event_types=["invoice.paid"])
    asked = admin_client.get(page(event_type, "delete"))
    assert "Endpoints that ask for invoice.paid by name: 1." in text_of(asked)
    admin_client.post(page(event_type, "delete"), {"post": "yes"})
    assert EventType.objects.exists()
    endpoint.set_event_types(["*"])
    assert admin_client.post(page(event_type, "delete"), {"post": "yes"}).status_code == 302
    assert not EventType.objects.exists()


def test_a_wrong_schema_is_said_at_its_field(admin_client: Client):
    response = admin_client.post(page(EventType, "add"), {"name": "a.b", "schema": '{"type": 5}'})
    assert list(errors_of(response)) == ["schema"]
