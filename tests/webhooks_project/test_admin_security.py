"""What protects the admin's pages."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from tests.admin_pages import text_of

pytestmark = pytest.mark.django_db


def log_in(client: Client, username: str, password: str, address: str = "192.0.2.1") -> int:
    body = {"username": username, "password": password}
    return client.post(reverse("admin:login"), body, REMOTE_ADDR=address).status_code


class TestFailedLogins:
    def test_too_many_lock_out_who_failed_and_nobody_else(self, client: Client) -> None:
        for name in ("ada", "bob"):
            User.objects.create_user(name, password="right", is_staff=True)
        statuses = [log_in(client, "ada", f"wrong {n}") for n in range(settings.WEBHOOKS.login_failures)]
        assert statuses == [200] * (settings.WEBHOOKS.login_failures - 1) + [429]
        assert log_in(client, "ada", "right") == 429
        assert log_in(client, "bob", "right") == 302
        assert log_in(client, "ada", "right", address="192.0.2.2") == 302

    def test_the_page_says_what_to_do(self, client: Client) -> None:
        for n in range(settings.WEBHOOKS.login_failures):
            log_in(client, "ada", f"wrong {n}")
        response = client.post(reverse("admin:login"), {"username": "ada", "password": "x"}, REMOTE_ADDR="192.0.2.1")
        assert response.status_code == 429
        assert "Too many failed logins" in text_of(response)

    def test_a_good_login_forgets_those_that_failed(self, client: Client) -> None:
        User.objects.create_user("ada", password="right", is_staff=True)
        for _ in range(3):
            for n in range(settings.WEBHOOKS.login_failures - 1):
                assert log_in(client, "ada", f"wrong {n}") == 200
            assert log_in(client, "ada", "right") == 302


def test_pages_may_load_nothing_from_elsewhere(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:index"))
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {source for sources in policy.values() for source in sources.split()} <= {
        "'none'",
        "'self'",
        "'unsafe-eval'",
        "'unsafe-inline'",
        "data:",
    }
    assert "'unsafe-inline'" not in policy["script-src"]
    assert response.headers["X-Frame-Options"] == "DENY"


def test_the_api_has_no_such_header(client: Client) -> None:
    assert "Content-Security-Policy" not in client.get("/api/v1/health/live").headers


def test_every_asset_of_a_page_is_here_and_nothing_is_inline(admin_client: Client) -> None:
    for address in (reverse("admin:index"), reverse("admin:dispatch_delivery_changelist"), reverse("admin:login")):
        text = text_of(admin_client.get(address, follow=True))
        assets = [part.split('"')[0] for part in text.split('src="')[1:]]
        assets += [part.split('"')[0] for part in text.split('<link href="')[1:]]
        assert assets
        for asset in assets:
            path = asset.removeprefix("/static/")
            assert asset.startswith("/admin/jsi18n") or finders.find(path), asset
        assert "<script>" not in text
        assert " onclick=" not in text


def test_browsers_find_an_icon(client: Client) -> None:
    response = client.get("/favicon.ico", follow=True)
    response.close()
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/svg+xml")
    assert response.request["PATH_INFO"] in text_of(client.get(reverse("admin:login")))
