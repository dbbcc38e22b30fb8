"""Publishing in the admin: a form that is checked, a preview that says who gets what, and one event."""

import dataclasses
import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dispatch.models import Delivery, Event
from subscriptions.models import AuditEntry, EventType
from tests.admin_pages import page, text_of
from tests.factories import CustomHeadersFactory, EndpointCredentialsFactory, EndpointFactory, SubscriberFactory

pytestmark = pytest.mark.django_db
ADDRESS = page(Event, "add")
SCHEMA = {"type": "object", "required": ["amount"]}
SIGNATURE = "c21f2e5bdab694b07c345fbb1a52cadf5a65255b3480535ca48c6fd736872a7b"


def post(client: Client, button: str = "_publish", **fields: str) -> Any:
    return client.post(ADDRESS, {"type": "invoice.paid", "subscriber": "", "data": "{}", button: ""} | fields)


def check(client: Client, **fields: str) -> Any:
    given = {"type": "invoice.paid", "subscriber": "", "data": "{}"} | fields
    return client.post(reverse("admin:dispatch_event_check"), given).json()


def logged_in(client: Client, django_user_model: Any, role: str) -> Client:
    user = django_user_model.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


class TestPublishing:
    def test_an_event_goes_to_every_endpoint_and_one_lands_on_its_page(self, admin_client: Client):
        EndpointFactory.create_batch(2)
        response = post(admin_client, data='{"to":\n "Zoë"}')
        event = Event.objects.get()
        assert (event.type, event.subscriber, event.payload) == ("invoice.paid", None, '{"to":"Zoë"}')
        assert event.deliveries.count() == 2
        assert response.headers["Location"] == page(event)

    def test_an_event_goes_to_one_subscriber(self, admin_client: Client):
        endpoint, _ = EndpointFactory.create_batch(2)
        post(admin_client, subscriber=endpoint.subscriber_id)
        assert Delivery.objects.get().endpoint == endpoint

    def test_all_that_the_api_takes_can_be_given(self, admin_client: Client):
        post(
            admin_client,
            channels="one, two",
            ordering_key="order 7",
            deliver_after="2026-01-02T03:04",
            idempotency_key="first",
        )
        event = Event.objects.get()
        assert (event.channels, event.ordering_key, event.idempotency_key) == (["one", "two"], "order 7", "first")
        assert f"{event.deliver_after:%Y-%m-%d %H:%M %Z}" == "2026-01-02 03:04 UTC"

    def test_a_second_click_publishes_no_second_event(self, admin_client: Client):
        key = admin_client.get(ADDRESS).context["form"]["idempotency_key"].value()
        first, second = (post(admin_client, idempotency_key=key) for _ in range(2))
        assert page(Event.objects.get()) == first.headers["Location"] == second.headers["Location"]

    def test_a_key_that_was_taken_away_comes_back_with_the_preview(self, admin_client: Client):
        key = post(admin_client, "_preview", idempotency_key=" ").context["form"]["idempotency_key"].value()
        assert key.startswith("admin-")

    @pytest.mark.parametrize("data", ["null", "0", "[]", '""', "false"])
    def test_data_may_be_empty(self, admin_client: Client, data: str):
        post(admin_client, data=data)
        assert Event.objects.get().payload == data

    @pytest.mark.parametrize(
        ("fields", "field", "message"),
        [
            ({"data": "{"}, "data", "This is not JSON: Expecting property name enclosed in double quotes"),
            ({"data": "[" * 100_000}, "data", "This is nested too deep."),
            ({"data": "NaN"}, "data", "The payload cannot be written as JSON: "),
            ({"data": ""}, "data", "This field is required."),
            ({"type": "invoice paid"}, "type", "'invoice paid' is not an event type: "),
            ({"type": ""}, "type", "This field is required."),
            ({"channels": "a/b"}, "channels", "'a/b' is not a channel: "),
            ({"deliver_after": "2999-01-01T00:00"}, "deliver_after", "The latest time that is allowed now is "),
        ],
    )
    @pytest.mark.parametrize("button", ["_preview", "_publish"])
    def test_what_does_not_fit_is_shown_at_its_field(
        self, admin_client: Client, button: str, fields: dict[str, str], field: str, message: str
    ):
        EndpointFactory()
        response = post(admin_client, button, **fields)
        ((name, (shown,)),) = response.context["form"].errors.items()
        assert name == field
        assert shown.startswith(message)
        assert not Event.objects.exists()

    def test_a_key_of_another_event_is_refused(self, admin_client: Client):
        post(admin_client, idempotency_key="k")
        response = post(admin_client, idempotency_key="k", data="[]")
        assert "was used before, for another event" in str(response.context["form"].errors["idempotency_key"])

    def test_an_unknown_type_is_refused_where_types_are_enforced(self, admin_client: Client, settings: Settings):
        settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, enforce_event_types=True)
        EventType.objects.register(name="order.made")
        assert '<option value="order.made">' in text_of(admin_client.get(ADDRESS))
        errors = post(admin_client).context["form"].errors
        assert errors == {"type": ["There is no event type 'invoice.paid'. Create it first."]}
        assert not Event.objects.exists()


class TestThePreview:
    def test_says_who_gets_it_and_who_does_not_and_publishes_nothing(self, admin_client: Client):
        subscriber = SubscriberFactory()
        made = {"subscriber": subscriber, "description": "", "event_types": ["invoice.*"]}
        wanting = EndpointFactory(**made)
        paused = EndpointFactory(**made, state="paused")
        dropping = EndpointFactory(**made, state="disabled")
        of_channel = EndpointFactory(**made, channels=["two"])
        of_other_type = EndpointFactory(**made | {"event_types": ["order.made"]})
        EndpointFactory()
        seen = post(admin_client, "_preview", subscriber=subscriber.pk, channels="one").context["seen"]
        assert {each.endpoint: each.sentence for each in seen.prospects} == {
            wanting: "It is sent at once.",
            paused: "Its delivery waits. The endpoint is paused.",
            dropping: "The endpoint is disabled: its delivery is cancelled at once.",
        }
        assert {each.endpoint: each.sentence for each in seen.others} == {
            of_channel: "The endpoint wants the channels two only, and the event has one.",
            of_other_type: "The endpoint does not want invoice.paid: its event types are order.made.",
        }
        assert (seen.matching, seen.has_more) == (3, False)
        assert not Event.objects.exists()

    def test_agrees_with_what_publishing_does(self, admin_client: Client):
        for event_types in (["*"], ["invoice.*"], ["invoice.paid"], ["invoice.paid.*"], ["invoice"]):
            EndpointFactory(event_types=event_types)
        seen = post(admin_client, "_preview").context["seen"]
        post(admin_client)
        got = set(Delivery.objects.values_list("endpoint", flat=True))
        assert {each.endpoint.pk for each in seen.prospects} == got
        assert len(got) == 3

    def test_goes_back_to_the_form_with_what_was_typed(self, admin_client: Client):
        response = post(admin_client, "_edit", data='{"a": \n1}', channels="one two")
        form = response.context["form"]
        assert (form["data"].value(), form["channels"].value(), form.errors) == ('{"a": \n1}', "one two", {})

    def test_shows_administrators_the_request_signed_for_real_and_writes_it_down(self, admin_client: Client):
        endpoint = EndpointFactory(signature_schemes=["x-signature"], secret__value="a secret of the receiver's own")
        (prospect,) = post(admin_client, "_preview", data="[1]").context["seen"].prospects
        headers = dict(prospect.headers)
        # From: printf %s '[1]' | openssl dgst -sha256 -hmac "a secret of the receiver's own"
        assert headers["X-Signature"] == SIGNATURE
        assert prospect.body == "[1]"
        entry = AuditEntry.objects.get(action="revealed")
        assert (entry.object_id, entry.actor, entry.detail) == (
            endpoint.pk,
            "user admin",
            "The preview of an event, signed.",
        )

    def test_masks_for_operators_what_only_secrets_can_make(self, client: Client, django_user_model: Any):
        EndpointFactory()
        operator = logged_in(client, django_user_model, "operator")
        (prospect,) = post(operator, "_preview").context["seen"].prospects
        assert dict(prospect.headers)["webhook-signature"] == "…"
        assert not AuditEntry.objects.filter(action="revealed").exists()

    def test_shows_credentials_and_custom_headers_to_nobody(self, admin_client: Client):
        endpoint = EndpointFactory()
        EndpointCredentialsFactory(endpoint=endpoint, secret="token-of-theirs")
        CustomHeadersFactory(endpoint=endpoint, headers={"X-Tenant": "seven-of-nine"})
        text = text_of(post(admin_client, "_preview"))
        assert "X-Tenant: …" in text
        assert "Authorization: …" in text
        assert "seven-of-nine" not in text
        assert "token-of-theirs" not in text

    def test_shows_the_body_in_the_format_of_the_endpoint(self, admin_client: Client):
        EndpointFactory(payload_format="thin")
        (prospect,) = post(admin_client, "_preview", data='{"a": 1}').context["seen"].prospects
        assert list(json.loads(prospect.body)) == ["id", "type", "timestamp"]

    def test_takes_as_many_statements_for_many_endpoints(
        self, admin_client: Client, django_assert_max_num_queries: Any, django_user_model: Any, client: Client
    ):
        EndpointFactory.create_batch(10)
        operator = logged_in(client, django_user_model, "operator")
        # One for the health of each that gets it.
        with django_assert_max_num_queries(24):
            post(operator, "_preview")


class TestTheCheckWhileTyping:
    def test_says_what_is_wrong_field_by_field(self, admin_client: Client):
        assert check(admin_client, data="{", type="a b")["wrong"].keys() == {"Data"}
        assert check(admin_client, type="a b")["wrong"]["Event type"].startswith("'a b' is not an event type")

    def test_gives_example_and_schema_and_says_what_does_not_fit(self, admin_client: Client):
        EventType.objects.register(name="invoice.paid", schema=SCHEMA, example={"amount": 1}, enforce_schema=True)
        EndpointFactory()
        answer = check(admin_client)
        assert answer["wrong"]["Data"].startswith("The data does not fit the schema of invoice.paid.")
        assert (json.loads(answer["schema"]), json.loads(answer["example"])) == (SCHEMA, {"amount": 1})
        answer = check(admin_client, data='{"amount":1}')
        assert (answer["wrong"], answer["notes"], answer["pretty"]) == ({}, [], '{\n  "amount": 1\n}')

    def test_mentions_a_schema_that_is_not_enforced(self, admin_client: Client):
        EventType.objects.register(name="invoice.paid", schema=SCHEMA)
        EndpointFactory()
        (note,) = check(admin_client)["notes"]
        assert note.startswith("The data does not fit the schema of invoice.paid, which is not enforced.")

    def test_mentions_that_nobody_gets_it(self, admin_client: Client):
        assert check(admin_client)["notes"] == ["No endpoint gets it."]


def test_viewers_publish_nothing(client: Client, django_user_model: Any):
    viewer = logged_in(client, django_user_model, "viewer")
    assert viewer.get(ADDRESS).status_code == 403
    assert post(viewer).status_code == 403
    assert viewer.post(reverse("admin:dispatch_event_check"), {"type": "a"}).status_code == 403
    assert ADDRESS not in text_of(viewer.get(page(Event, "changelist")))
    assert not Event.objects.exists()
