from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from subscriptions.models import AuditEntry, Endpoint, SigningSecret
from tests.admin_pages import errors_of, formset, messages_of, page, text_of
from tests.factories import (
    EndpointFactory,
    EventTypePatternFactory,
    SubscriberFactory,
)

URL = "https://receiver.example/hooks"
SHOWN_URL = "https://receiver.example/…"
STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class TestAddingAnEndpoint:
    def test_without_further_wishes_it_wants_everything_and_gets_a_secret_shown_once(self, admin_client: Client):
        subscriber = SubscriberFactory()
        form = admin_client.get(page(Endpoint, "add")).context["adminform"].form
        assert form["event_types"].value() == "*"
        body = {"subscriber": subscriber.pk, "url": URL, "event_types": "*", "signature_schemes": ["standard"]}
        response = admin_client.post(page(Endpoint, "add"), body)
        endpoint = Endpoint.objects.get()
        secret = endpoint.signing_secrets.get()
        assert (endpoint.subscriber, endpoint.url, endpoint.event_types) == (subscriber, URL, ["*"])
        assert messages_of(response)[0] == (
            f"The signing secret of {SHOWN_URL}: <code>{secret.value}</code> Copy it now, it is not shown again."
        )
        following = admin_client.get(page(Endpoint, "changelist"))
        assert secret.value in text_of(following)
        assert secret.value not in text_of(admin_client.get(page(Endpoint, "changelist")))

    def test_with_event_types_and_a_secret_of_ones_own(self, admin_client: Client):
        body = {
            "subscriber": SubscriberFactory().pk,
            "url": URL,
            "event_types": "invoice.*, order.created user.*",
            "signature_schemes": ["standard", "github"],
            "secret": STANDARD,
        }
        admin_client.post(page(Endpoint, "add"), body)
        endpoint = Endpoint.objects.get()
        assert endpoint.event_types == ["invoice.*", "order.created", "user.*"]
        assert endpoint.signature_schemes == ["standard", "github"]
        assert endpoint.signing_secrets.get().value == STANDARD
        assert {entry.actor for entry in AuditEntry.objects.all()} == {"user admin"}

    def test_with_a_scheme_of_the_receivers_own(self, admin_client: Client):
        body = {
            "subscriber": SubscriberFactory().pk,
            "url": URL,
            "event_types": "*",
            "signature_schemes": ["own"],
            "own_header": "X-Acme-Signature",
            "own_digest": "sha1",
            "own_encoding": "base64",
            "own_prefix": "sha1=",
            "own_signed": "{timestamp}.{body}",
            "own_layout": "plain",
            "own_timestamp_header": "X-Acme-Timestamp",
            "secret": "my-shared-secret",
        }
        response = admin_client.post(page(Endpoint, "add"), body)
        assert Endpoint.objects.get().signature_schemes == [
            {name.removeprefix("own_"): text for name, text in body.items() if name.startswith("own_")}
        ]
        warning = "X-Acme-Signature is signed with sha1, which is only for receivers that know nothing else."
        assert warning in messages_of(response)

    def test_with_an_ed25519_key_whose_public_part_is_shown(self, admin_client: Client):
        body = {"subscriber": SubscriberFactory().pk, "url": URL, "event_types": "*", "secret_kind": "ed25519"}
        response = admin_client.post(page(Endpoint, "add"), body | {"signature_schemes": ["standard"]})
        secret = SigningSecret.objects.get()
        assert messages_of(response)[0] == f"The public key of {SHOWN_URL}: <code>{secret.public_key}</code>"
        assert secret.value not in text_of(admin_client.get(page(secret.endpoint)))

    @pytest.mark.parametrize(
        ("wrong", "errors"),
        [
            ({"url": "ftp://x"}, {"url": ["A URL must start with https:// or http://."]}),
            ({"secret": "short"}, {"secret": ["A standard signing secret starts with whsec_."]}),
            ({"signature_schemes": []}, {"signature_schemes": ["This field is required."]}),
            (
                {"signature_schemes": ["own"], "own_header": "Host"},
                {"signature_schemes": ["The header Host has a meaning already. Choose another."]},
            ),
            (
                {"secret_kind": "ed25519", "signature_schemes": ["standard", "github"]},
                {"secret_kind": ["An ed25519 key signs the standard scheme only."]},
            ),
            ({"event_types": ","}, {"event_types": ["Name at least one event type, or * for all."]}),
            (
                {"event_types": "*.paid"},
                {
                    "event_types": [
                        "'*.paid' is not an event type pattern: write a name (invoice.paid), "
                        "a name with a trailing wildcard (invoice.*) or * for all."
                    ]
                },
            ),
            ({"subscriber": ""}, {"subscriber": ["This field is required."]}),
            ({"subscriber": "sub_x"}, {"subscriber": ["'sub_x' is not an id that starts with sub_."]}),
        ],
    )
    def test_what_does_not_fit_is_shown_at_its_field(
        self, admin_client: Client, wrong: dict[str, str], errors: dict[str, list[str]]
    ):
        body = {"subscriber": SubscriberFactory().pk, "url": URL, "event_types": "*", "signature_schemes": ["standard"]}
        response = admin_client.post(page(Endpoint, "add"), body | wrong)
        assert errors_of(response) == errors
        assert not Endpoint.objects.exists()
        assert not SigningSecret.objects.exists()
        assert not LogEntry.objects.exists()

    def test_may_begin_with_a_subscriber_given_in_the_address(self, admin_client: Client):
        subscriber = SubscriberFactory(name="Acme Ltd")
        assert "Acme Ltd" in text_of(admin_client.get(page(Endpoint, "add"), {"subscriber": subscriber.pk}))
        assert admin_client.get(page(Endpoint, "add"), {"subscriber": "nobody"}).status_code == 200

    def test_is_for_those_who_may(self, client: Client, django_user_model: Any):
        client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
        assert client.get(page(Endpoint, "add")).status_code == 403
        assert client.post(page(Endpoint, "add"), {}).status_code == 403


class TestChangingAnEndpoint:
    @pytest.fixture
    def endpoint(self, db: None) -> Endpoint:
        return EndpointFactory(url=URL, event_types=["invoice.*"], secret__value=STANDARD)

    def body(self, endpoint: Endpoint, **changed: Any) -> dict[str, Any]:
        pattern = endpoint.event_type_patterns.get()
        of_endpoint = {"endpoint": endpoint.pk}
        return (
            {"url": endpoint.url, "description": "", "signature_schemes": endpoint.signature_schemes}
            | formset(
                "event_type_patterns",
                [{"id": pattern.pk, "pattern": pattern.pattern} | of_endpoint | changed.get("pattern", {})],
                changed.get("patterns", []),
            )
            # Its table of secrets only shows them.
            | formset("signing_secrets", [{}], [])
            | formset("tls", [], [])
            | changed.get("fields", {})
        )

    def test_its_page_never_shows_the_secret(self, admin_client: Client, endpoint: Endpoint):
        shown = text_of(admin_client.get(page(endpoint)))
        assert "whsec_AAEC…" in shown
        assert STANDARD not in shown

    def test_url_and_event_types_can_be_changed(self, admin_client: Client, endpoint: Endpoint):
        body = self.body(
            endpoint,
            fields={"url": URL + "/2"},
            pattern={"pattern": "order.created"},
            patterns=[{"pattern": "user.*"}],
        )
        assert admin_client.post(page(endpoint), body).status_code == 302
        endpoint = Endpoint.objects.get()
        assert (endpoint.url, endpoint.event_types) == (URL + "/2", ["order.created", "user.*"])
        assert endpoint.signing_secrets.get().value == STANDARD

    @pytest.mark.parametrize("pattern", ["user.*", "invoice.*"])
    def test_an_event_type_that_it_has_already_is_an_error_of_the_form(
        self, admin_client: Client, endpoint: Endpoint, pattern: str
    ):
        body = self.body(endpoint, patterns=[{"pattern": pattern}])
        # Somebody else was quicker.
        EventTypePatternFactory(endpoint=endpoint, pattern="user.*")
        response = admin_client.post(page(endpoint), body)
        assert response.status_code == 200
        assert endpoint.event_types == ["invoice.*", "user.*"]
        assert "already" in text_of(response) or "duplicate" in text_of(response)

    def test_an_event_type_can_be_taken_away_and_added_at_once(self, admin_client: Client, endpoint: Endpoint):
        body = self.body(endpoint, pattern={"DELETE": "on"}, patterns=[{"pattern": "invoice.*"}])
        assert admin_client.post(page(endpoint), body).status_code == 302
        assert endpoint.event_types == ["invoice.*"]

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
    def test_is_checked_against_what_nobody_else_can_change(self, admin_client: Client, endpoint: Endpoint):
        with CaptureQueriesContext(connection) as statements:
            admin_client.post(page(endpoint), self.body(endpoint))
        said = [each["sql"] for each in statements]
        locked = next(number for number, sql in enumerate(said) if "FOR UPDATE" in sql)
        checked = next(number for number, sql in enumerate(said) if 'FROM "subscriptions_signingsecret"' in sql)
        assert locked < checked

    def test_a_state_that_a_worker_changes_meanwhile_stays(
        self, admin_client: Client, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ):
        real = Endpoint.clean

        def clean_while_a_worker_disables(self: Endpoint) -> None:
            real(self)
            Endpoint.objects.update(state="disabled")

        monkeypatch.setattr(Endpoint, "clean", clean_while_a_worker_disables)
        admin_client.post(page(endpoint), self.body(endpoint, fields={"description": "Billing"}))
        endpoint.refresh_from_db()
        assert (endpoint.description, endpoint.state) == ("Billing", "disabled")

    def test_schemes_can_be_changed_and_one_of_ones_own_is_shown_as_it_is(
        self, admin_client: Client, endpoint: Endpoint
    ):
        fields = {"signature_schemes": ["github", "own"], "own_header": "X-Acme-Signature", "own_digest": "sha512"}
        assert admin_client.post(page(endpoint), self.body(endpoint, fields=fields)).status_code == 302
        endpoint.refresh_from_db()
        schemes = endpoint.schemes
        assert (schemes.standard, [each.header for each in schemes.others]) == (
            False,
            ["X-Hub-Signature-256", "X-Acme-Signature"],
        )
        form = admin_client.get(page(endpoint)).context["adminform"].form
        assert form["signature_schemes"].value() == ["github", "own"]
        assert (form["own_header"].value(), form["own_digest"].value()) == ("X-Acme-Signature", "sha512")

        # Saved as it is shown, nothing changes.
        shown = {name: form[name].value() for name in form.fields if name.startswith("own_")}
        admin_client.post(page(endpoint), self.body(endpoint, fields=shown | {"signature_schemes": ["github", "own"]}))
        before = endpoint.signature_schemes
        endpoint.refresh_from_db()
        assert endpoint.signature_schemes == before

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"pattern": {"DELETE": "on"}}, "Please submit at least 1 form."),
            ({"patterns": [{"pattern": "a b"}]}, "is not an event type pattern"),
            ({"patterns": [{"pattern": "invoice.*"}]}, "Please correct the duplicate data for"),
            ({"fields": {"signature_schemes": ["md5"]}}, "md5 is not one of the available choices."),
            ({"fields": {"url": "ftp://x"}}, "A URL must start with https:// or http://."),
        ],
    )
    def test_what_does_not_fit_is_shown_and_nothing_is_changed(
        self, admin_client: Client, endpoint: Endpoint, changed: dict[str, Any], message: str
    ):
        response = admin_client.post(page(endpoint), self.body(endpoint, **changed))
        assert response.status_code == 200
        assert message in text_of(response)
        assert Endpoint.objects.get().event_types == ["invoice.*"]
        assert endpoint.signing_secrets.get().value == STANDARD

    def test_a_scheme_that_the_secret_does_not_fit_is_refused(self, admin_client: Client):
        endpoint = EndpointFactory(signature_schemes=["x-signature"], secret__value="my-shared-secret")
        response = admin_client.post(
            page(endpoint), self.body(endpoint, fields={"signature_schemes": ["standard", "x-signature"]})
        )
        assert errors_of(response) == {
            "signature_schemes": [
                "A secret of this endpoint does not fit: A standard signing secret starts with whsec_."
            ]
        }
        assert "my-shared-secret" not in text_of(response)

    @pytest.mark.parametrize(
        ("before", "action", "state"),
        [("active", "pause", "paused"), ("active", "disable", "disabled"), ("paused", "resume", "active")],
    )
    def test_it_is_paused_resumed_and_disabled_on_its_page(
        self, admin_client: Client, endpoint: Endpoint, before: str, action: str, state: str
    ):
        others = EndpointFactory()
        Endpoint.objects.filter(pk=endpoint.pk).update(state=before)
        response = admin_client.post(page(endpoint, action))
        endpoint.refresh_from_db()
        assert messages_of(response) == [f"It is {state} now."]
        assert endpoint.state == state
        assert endpoint.state_changed_at is not None
        assert LogEntry.objects.get().get_change_message() == f"Now {state}."
        others.refresh_from_db()
        assert others.state_changed_at is None
