from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from dispatch.models import Event
from subscriptions.models import ApiKey, AuditEntry, Endpoint, EventType, SigningSecret, Subscriber
from tests.admin_pages import errors_of, listed, messages_of, page, run_action, text_of
from tests.factories import (
    NOON,
    ApiKeyFactory,
    AuditEntryFactory,
    EndpointFactory,
    EventTypeFactory,
    SigningSecretFactory,
    SubscriberFactory,
)

URL = "https://receiver.example/hooks"
STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
MODELS = [Subscriber, Endpoint, SigningSecret, AuditEntry, EventType, ApiKey]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_list_that_can_be_filtered_and_searched(admin_client: Client, model: Any):
    for factory in (SubscriberFactory, EndpointFactory, EventTypeFactory, ApiKeyFactory, AuditEntryFactory):
        factory.create_batch(2)
    assert admin.site.get_model_admin(model).list_filter
    assert listed(admin_client, model) == list(model.objects.order_by("-pk"))
    for text in ("a", "nothing to find", "sub_wrong", "a_b"):
        assert admin_client.get(page(model, "changelist"), {"q": text}).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_every_row_is_found_by_its_id(admin_client: Client, model: Any):
    EndpointFactory.create_batch(2)
    EventTypeFactory.create_batch(2)
    ApiKeyFactory.create_batch(2)
    AuditEntryFactory.create_batch(2)
    row = model.objects.first()
    assert listed(admin_client, model, q=f" {row.pk} ") == [row]


def test_endpoints_are_found_by_the_id_of_their_subscriber(admin_client: Client):
    endpoint, _ = EndpointFactory.create_batch(2)
    assert listed(admin_client, Endpoint, q=endpoint.subscriber_id) == [endpoint]


@pytest.mark.parametrize("model", [Endpoint, SigningSecret])
def test_a_list_takes_as_many_statements_for_many_rows_as_for_one(
    admin_client: Client, model: Any, django_assert_max_num_queries: Any
):
    EndpointFactory.create_batch(5)
    # The session, the user, two counts and the rows.
    with django_assert_max_num_queries(5):
        assert len(listed(admin_client, model)) == 5


def test_a_subscriber_is_added_and_renamed(admin_client: Client):
    admin_client.post(page(Subscriber, "add"), {"name": "Acme", "uid": "acme"})
    acme = Subscriber.objects.get()
    admin_client.post(page(acme), {"name": "Acme Ltd", "uid": ""})
    acme.refresh_from_db()
    assert (acme.name, acme.uid) == ("Acme Ltd", None)


def test_a_wrong_uid_is_shown_at_its_field(admin_client: Client):
    response = admin_client.post(page(Subscriber, "add"), {"name": "Acme", "uid": "a/b"})
    assert errors_of(response) == {"uid": ["Write a uid of letters, digits and . _ : @ + ~ - without spaces."]}


def test_an_event_type_keeps_its_name(admin_client: Client):
    event_type = EventTypeFactory(name="invoice.paid")
    admin_client.post(page(event_type), {"name": "other", "description": "New."})
    assert list(EventType.objects.values_list("name", "description")) == [("invoice.paid", "New.")]


def test_an_address_of_nothing_leads_back_to_the_start(admin_client: Client):
    for text in ("nothing", "sub_06asqfjqg1tbp3ff04hkaps9lc"):
        response = admin_client.get(reverse("admin:subscriptions_subscriber_change", args=[text]))
        assert response.status_code == 302


def test_what_is_changed_on_pages_is_written_down(admin_client: Client):
    admin_client.post(page(Subscriber, "add"), {"name": "Acme", "uid": ""})
    acme = Subscriber.objects.get()
    admin_client.post(page(acme), {"name": "Acme Inc.", "uid": "", "rate_period": "second"})
    admin_client.post(page(acme), {"name": "Acme Inc.", "uid": "", "rate_period": "second"})
    admin_client.post(page(acme, "delete"), {"post": "yes"})
    rows = AuditEntry.objects.order_by("id").values_list("action", "object_id", "fields", "actor", "client_address")
    assert list(rows) == [
        ("created", acme.id, [], "user admin", "127.0.0.1"),
        ("changed", acme.id, ["name"], "user admin", "127.0.0.1"),
        ("deleted", acme.id, [], "user admin", "127.0.0.1"),
    ]


class TestApiKeys:
    def test_a_key_is_made_by_name_and_shown_once(self, admin_client: Client):
        response = admin_client.post(page(ApiKey, "add"), {"name": "CI", "scope": "admin"})
        api_key = ApiKey.objects.get()
        (shown, _) = messages_of(response)
        text = shown.partition("<code>")[2].partition("</code>")[0]
        assert ApiKey.objects.find(text) == api_key
        admin_client.get(page(api_key))
        seen_later = text_of(admin_client.get(page(api_key)))
        assert text not in seen_later
        assert api_key.hash not in seen_later
        assert api_key.prefix in seen_later

    def test_a_key_without_a_name_is_not_made(self, admin_client: Client):
        response = admin_client.post(page(ApiKey, "add"), {"name": "", "scope": "admin"})
        assert errors_of(response) == {"name": ["This field is required."]}
        assert not ApiKey.objects.exists()

    def test_keys_are_revoked_by_an_action_which_leaves_revoked_ones_as_they_are(self, admin_client: Client):
        api_key, text = ApiKey.objects.generate("CI")
        old = ApiKeyFactory(revoked_at=NOON)
        assert messages_of(run_action(admin_client, "revoke", api_key, old)) == ["Revoked: 1."]
        assert ApiKey.objects.find(text) is None
        old.refresh_from_db()
        assert old.revoked_at == NOON


class TestDeleting:
    def test_an_endpoint_without_deliveries_goes_with_its_secrets(self, admin_client: Client):
        endpoint = EndpointFactory()
        admin_client.post(page(endpoint, "delete"), {"post": "yes"})
        assert not Endpoint.objects.exists()
        assert not SigningSecret.objects.exists()
        assert not Event.objects.exists()

    def test_a_secret_is_not_deleted_on_its_own_page(self, admin_client: Client):
        secret = SigningSecretFactory()
        assert admin_client.post(page(secret, "delete"), {"post": "yes"}).status_code == 403
        run_action(admin_client, "delete_selected", secret)
        assert SigningSecret.objects.get() == secret


def test_a_signing_secret_is_masked_on_pages_of_its_own(admin_client: Client):
    secret = SigningSecretFactory(value=STANDARD)
    for address in (page(SigningSecret, "changelist"), page(secret)):
        shown = text_of(admin_client.get(address))
        assert "whsec_AAEC…" in shown
        assert STANDARD not in shown
    assert admin_client.get(page(SigningSecret, "add")).status_code == 403
