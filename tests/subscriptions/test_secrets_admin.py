"""Secrets on an endpoint's page: rotate, reveal, let expire; and the audit of it."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from subscriptions.models import AuditEntry, Endpoint, SigningSecret
from tests.admin_pages import messages_of, page, run_action, text_of
from tests.factories import AuditEntryFactory, EndpointFactory, SigningSecretFactory

URL = "https://receiver.example/hooks"
SHOWN_URL = "https://receiver.example/…"
STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    return EndpointFactory(url=URL, secret__value=STANDARD)


@pytest.fixture
def secret(endpoint: Endpoint) -> SigningSecret:
    return endpoint.signing_secrets.get()


def address(endpoint: Endpoint, verb: str, secret: SigningSecret | None = None) -> str:
    base = page(endpoint).removesuffix("change/")
    return f"{base}rotate-secret/" if secret is None else f"{base}secrets/{secret.id}/{verb}/"


class TestItsPage:
    def test_shows_secrets_masked_with_what_can_be_done(
        self, admin_client: Client, endpoint: Endpoint, secret: SigningSecret
    ):
        ended = SigningSecretFactory(endpoint=endpoint, expires_at=timezone.now() - timedelta(days=1))
        shown = text_of(admin_client.get(page(endpoint)))
        assert "whsec_AAEC…" in shown
        assert STANDARD not in shown
        for link in (
            address(endpoint, "rotate"),
            address(endpoint, "reveal", secret),
            address(endpoint, "expire", secret),
            address(endpoint, "reveal", ended),
        ):
            assert f'href="{link}"' in shown
        assert address(endpoint, "expire", ended) not in shown

    def test_shows_the_public_key_of_an_ed25519_key(self, admin_client: Client, endpoint: Endpoint):
        key = SigningSecretFactory(endpoint=endpoint, value="whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyufPA=")
        assert str(key.public_key) in text_of(admin_client.get(page(endpoint)))


class TestRotating:
    def test_makes_a_secret_and_shows_it_once(self, admin_client: Client, endpoint: Endpoint, secret: SigningSecret):
        form = admin_client.get(address(endpoint, "rotate")).context["form"]
        assert form["overlap"].value() == 24
        response = admin_client.post(address(endpoint, "rotate"), {"overlap": "48"})
        new = endpoint.signing_secrets.get(expires_at=None)
        secret.refresh_from_db()
        assert timedelta(hours=47) < secret.expires_at - timezone.now() <= timedelta(hours=48)
        assert messages_of(response) == [
            f"The signing secret of {SHOWN_URL}: <code>{new.value}</code> Copy it now, it is not shown again."
        ]
        assert response.headers["Location"] == page(endpoint)
        assert new.value in text_of(admin_client.get(page(endpoint)))
        assert new.value not in text_of(admin_client.get(page(endpoint)))
        assert LogEntry.objects.get().get_change_message() == "Rotated its signing secret."

    def test_imports_a_secret(self, admin_client: Client, endpoint: Endpoint):
        other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        admin_client.post(address(endpoint, "rotate"), {"overlap": "0", "secret": other})
        assert [each.value for each in endpoint.signing_secrets.valid(timezone.now())] == [other]

    def test_to_ed25519_shows_the_public_key(self, admin_client: Client, endpoint: Endpoint):
        response = admin_client.post(address(endpoint, "rotate"), {"overlap": "24", "secret_kind": "ed25519"})
        new = endpoint.signing_secrets.get(expires_at=None)
        assert messages_of(response) == [f"The public key of {SHOWN_URL}: <code>{new.public_key}</code>"]

    @pytest.mark.parametrize(
        ("posted", "field", "message"),
        [
            ({"overlap": "169"}, "overlap", "Ensure this value is less than or equal to 168."),
            ({"overlap": "-1"}, "overlap", "Ensure this value is greater than or equal to 0."),
            ({"overlap": ""}, "overlap", "This field is required."),
            ({"overlap": "1", "secret": "short"}, "secret", "A standard signing secret starts with whsec_."),
            ({"overlap": "1", "secret": STANDARD}, "secret", "The endpoint has this secret already."),
        ],
    )
    def test_shows_what_does_not_fit_at_its_field(
        self, admin_client: Client, endpoint: Endpoint, posted: dict[str, str], field: str, message: str
    ):
        response = admin_client.post(address(endpoint, "rotate"), posted)
        assert response.context["form"].errors == {field: [message]}
        assert endpoint.signing_secrets.get().expires_at is None


class TestRevealing:
    @pytest.fixture
    def reveal(self, admin_client: Client, endpoint: Endpoint, secret: SigningSecret) -> Any:
        def ask(**body: str) -> Any:
            return admin_client.post(address(endpoint, "reveal", secret), body)

        return ask

    def test_asks_for_the_password_then_shows_and_writes_down_who_saw_it(
        self, admin_client: Client, reveal: Any, endpoint: Endpoint, secret: SigningSecret
    ):
        asked = admin_client.get(address(endpoint, "reveal", secret))
        assert 'name="password"' in text_of(asked)
        assert STANDARD not in text_of(asked)
        assert not AuditEntry.objects.exists()

        shown = reveal(password="password")
        assert f"<code>{STANDARD}</code>" in text_of(shown)
        assert "no-store" in shown.headers["Cache-Control"]
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.actor, entry.object_id, entry.endpoint) == (
            "revealed",
            "user admin",
            secret.id,
            endpoint.id,
        )

    @pytest.mark.parametrize(
        ("body", "message"),
        [({"password": "wrong"}, "That is not your password."), ({}, "This field is required.")],
    )
    def test_shows_nothing_for_another_password(self, reveal: Any, body: dict[str, str], message: str):
        response = reveal(**body)
        assert response.context["form"].errors == {"password": [message]}
        assert STANDARD not in text_of(response)
        assert not AuditEntry.objects.exists()

    def test_asks_again_only_after_a_while(self, reveal: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch):
        now = time.time()
        monkeypatch.setattr("subscriptions.admin.password.time.time", lambda: now)
        assert STANDARD in text_of(reveal(password="password"))
        now += settings.WEBHOOKS.password_grace - 1
        assert STANDARD in text_of(reveal())
        now += 1
        assert STANDARD not in text_of(reveal())

    def test_of_one_session_is_not_good_for_another(
        self, client: Client, reveal: Any, admin_user: Any, endpoint: Endpoint, secret: SigningSecret
    ):
        reveal(password="password")
        client.force_login(admin_user)
        assert STANDARD not in text_of(client.post(address(endpoint, "reveal", secret)))

    def test_guessing_locks_out_as_at_the_login(self, reveal: Any, settings: Settings):
        statuses = [reveal(password=f"wrong {n}").status_code for n in range(settings.WEBHOOKS.login_failures)]
        assert statuses == [200] * (settings.WEBHOOKS.login_failures - 1) + [429]
        assert STANDARD not in text_of(reveal(password="password"))

    def test_needs_a_permission_of_its_own(
        self, client: Client, django_user_model: Any, endpoint: Endpoint, secret: SigningSecret
    ):
        user = django_user_model.objects.create_user("guest", password="right", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="change_endpoint"))
        client.force_login(user)
        assert client.get(page(endpoint)).status_code == 200
        assert client.post(address(endpoint, "reveal", secret), {"password": "right"}).status_code == 403
        user.user_permissions.add(Permission.objects.get(codename="reveal_signingsecret"))
        assert STANDARD in text_of(client.post(address(endpoint, "reveal", secret), {"password": "right"}))


class TestLettingExpire:
    def test_asks_first_and_ends_the_secret(self, admin_client: Client, endpoint: Endpoint, secret: SigningSecret):
        SigningSecretFactory(endpoint=endpoint)
        assert admin_client.get(address(endpoint, "expire", secret)).status_code == 200
        response = admin_client.post(address(endpoint, "expire", secret))
        assert messages_of(response) == ["The secret whsec_AAEC… signs no more."]
        assert secret not in endpoint.signing_secrets.valid(timezone.now())

    def test_leaves_the_last(self, admin_client: Client, endpoint: Endpoint, secret: SigningSecret):
        response = admin_client.post(address(endpoint, "expire", secret))
        assert messages_of(response) == ["This is the only secret of its endpoint without an end. Rotate it instead."]
        assert secret in endpoint.signing_secrets.valid(timezone.now())


def test_the_pages_are_for_those_who_may(
    client: Client, django_user_model: Any, endpoint: Endpoint, secret: SigningSecret
):
    addresses = [address(endpoint, "rotate"), address(endpoint, "reveal", secret), address(endpoint, "expire", secret)]
    for each in addresses:
        assert client.post(each).headers["Location"].startswith("/admin/login/")
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    for each in addresses:
        assert client.post(each, {"overlap": "0"}).status_code == 403
    assert endpoint.signing_secrets.get().expires_at is None


def test_secrets_of_other_endpoints_and_unknown_ones_are_not_there(admin_client: Client, endpoint: Endpoint):
    other = SigningSecretFactory()
    base = page(endpoint).removesuffix("change/")
    for path in (address(endpoint, "reveal", other), f"{base}secrets/sec_x/reveal/", f"{base}secrets/x/expire/"):
        assert admin_client.post(path).status_code == 404
    assert admin_client.post(base.replace("ep_5F", "ep_5Fx") + "rotate-secret/").status_code == 404


def test_the_audit_can_be_read_and_nothing_else(admin_client: Client):
    entry = AuditEntryFactory()
    assert "user ada" in text_of(admin_client.get(page(entry)))
    assert admin_client.post(page(entry), {"actor": "nobody"}).status_code == 403
    assert admin_client.get(page(AuditEntry, "add")).status_code == 403
    assert admin_client.post(page(entry, "delete"), {"post": "yes"}).status_code == 403
    run_action(admin_client, "delete_selected", entry)
    assert AuditEntry.objects.get().actor == "user ada"
