"""Credentials and custom headers on an endpoint's pages."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.test import Client

from subscriptions.models import CustomHeaders, Endpoint, EndpointCredentials
from tests.admin_pages import listed, messages_of, page, text_of
from tests.factories import EndpointFactory

URL = "https://receiver.example/hooks/path-of-theirs?token=s3cr3t"
SECRET = "s3cr3t-of-theirs"
OAUTH2 = {
    "token_url": "https://issuer.example/token",
    "client_id": "us",
    "client_secret": SECRET,
    "client_authentication": "body",
}


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    return EndpointFactory(url=URL)


def address(endpoint: Endpoint, name: str) -> str:
    return page(endpoint).removesuffix("change/") + f"{name}/"


def saved(client: Client, endpoint: Endpoint, kind: str, **values: str) -> Any:
    return client.post(f"{address(endpoint, 'credentials')}?kind={kind}", values)


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        ("basic", {"user": "ada", "password": SECRET}, "User and password, user: ada"),
        ("bearer", {"token": SECRET}, "Bearer token"),
        ("header", {"name": "X-Api-Key", "value": SECRET}, "A header, name: X-Api-Key"),
        (
            "oauth2",
            OAUTH2,
            "OAuth 2 client credentials, token url: https://issuer.example/token, client id: us, "
            "client authentication: body",
        ),
    ],
)
def test_credentials_are_saved_and_only_their_settings_shown(
    admin_client: Client, endpoint: Endpoint, kind: str, values: dict[str, str], shown: str
):
    response = saved(admin_client, endpoint, kind, **values)
    assert response.headers["Location"] == page(endpoint)
    assert messages_of(response) == ["The next requests carry the new credentials."]
    assert EndpointCredentials.objects.get().secret == SECRET
    assert LogEntry.objects.get().get_change_message() == "Replaced its credentials."

    for path in (page(endpoint), address(endpoint, "credentials"), address(endpoint, "headers")):
        assert SECRET not in text_of(admin_client.get(path))
    assert shown in text_of(admin_client.get(page(endpoint)))
    form = admin_client.get(address(endpoint, "credentials")).context["form"]
    assert {name: form[name].value() for name in values if values[name] != SECRET} == {
        name: text for name, text in values.items() if text != SECRET
    }


def test_credentials_are_taken_away(admin_client: Client, endpoint: Endpoint):
    saved(admin_client, endpoint, "bearer", token=SECRET)
    assert "Use none" in text_of(admin_client.get(f"{address(endpoint, 'credentials')}?kind=none"))
    saved(admin_client, endpoint, "none")
    assert not EndpointCredentials.objects.exists()
    assert "Use none" not in text_of(admin_client.get(f"{address(endpoint, 'credentials')}?kind=none"))


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("basic", {"user": "a:b", "password": SECRET}, "user must be a text of 1 to 500 characters without colons."),
        ("header", {"name": "Host", "value": SECRET}, "The header Host is not yours to set"),
        ("oauth2", OAUTH2 | {"token_url": "ftp://x"}, "token_url: A URL must start with https:// or http://."),
        ("bearer", {"token": ""}, "This field is required."),
    ],
)
def test_what_does_not_fit_is_told_and_the_secret_not_repeated(
    admin_client: Client, endpoint: Endpoint, kind: str, values: dict[str, str], message: str
):
    response = saved(admin_client, endpoint, kind, **values)
    assert response.status_code == 200
    assert message in text_of(response)
    assert SECRET not in text_of(response)
    assert not EndpointCredentials.objects.exists()


def test_headers_are_replaced_line_by_line_and_only_their_names_shown(admin_client: Client, endpoint: Endpoint):
    lines = f"X-Tenant: 7\r\n\r\nX-Api-Key:   {SECRET}  \r\nX-Time: 12:30"
    response = admin_client.post(address(endpoint, "headers"), {"headers": lines})
    assert messages_of(response) == ["The next requests carry these headers."]
    assert CustomHeaders.objects.get().headers == {"X-Tenant": "7", "X-Api-Key": SECRET, "X-Time": "12:30"}
    assert "X-Tenant: …, X-Api-Key: …, X-Time: …" in text_of(admin_client.get(page(endpoint)))
    shown = text_of(admin_client.get(address(endpoint, "headers")))
    assert "Headers of its own now: X-Tenant, X-Api-Key, X-Time." in shown
    assert SECRET not in shown

    admin_client.post(address(endpoint, "headers"), {"headers": ""})
    assert not CustomHeaders.objects.exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("X-Y", "Line 1 has no colon: write Name: value."),
        ("X-Y: 1\nX-Y: 2", "Line 2 names a header for the second time."),
        ("Host: x", "The header Host is not yours to set"),
        ("X-Y: 1\nx-y: 2", "Name each header once"),
        ("X-Y: a\rHost: b", "The value of X-Y must be a text of one line"),
    ],
)
def test_headers_that_do_not_fit_are_told(admin_client: Client, endpoint: Endpoint, lines: str, message: str):
    response = admin_client.post(address(endpoint, "headers"), {"headers": lines})
    assert message in text_of(response)
    assert not CustomHeaders.objects.exists()


def test_a_scheme_that_writes_one_of_its_headers_is_refused(endpoint: Endpoint):
    endpoint.set_headers({"X-Signature": "1"})
    endpoint.signature_schemes = ["standard", "x-signature"]
    with pytest.raises(ValidationError, match="The endpoint sends a header x-signature already"):
        endpoint.full_clean()


@pytest.mark.parametrize("name", ["credentials", "headers"])
def test_the_pages_are_for_those_who_may_change_endpoints(client: Client, django_user_model: Any, name: str):
    endpoint = EndpointFactory()
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    assert client.get(address(endpoint, name)).status_code == 403
    assert client.post(address(endpoint, name), {"headers": "X-Y: 1"}).status_code == 403
    assert not CustomHeaders.objects.exists()


def test_the_list_shows_scheme_and_host_of_a_url_and_its_page_the_whole(admin_client: Client, endpoint: Endpoint):
    assert listed(admin_client, Endpoint) == [endpoint]
    shown = text_of(admin_client.get(page(Endpoint, "changelist")))
    assert "https://receiver.example/…" in shown
    assert "path-of-theirs" not in shown
    assert "path-of-theirs" in text_of(admin_client.get(page(endpoint)))
