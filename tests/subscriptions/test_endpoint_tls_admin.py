"""Certificates on an endpoint's pages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import trustme
from django.test import Client

from subscriptions.models import Actor, Endpoint, EndpointTls
from tests.admin_pages import messages_of, page, text_of
from tests.certificates_made import chain, issued, key, pem
from tests.factories import EndpointFactory


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    return EndpointFactory()


def address(endpoint: Endpoint) -> str:
    return page(endpoint).removesuffix("change/") + "tls/"


def give(client: Client, endpoint: Endpoint, **values: str) -> Any:
    return client.post(address(endpoint), values)


def test_certificates_are_given_and_taken_away(admin_client: Client, endpoint: Endpoint, authority: trustme.CA):
    made = issued(authority)
    response = give(
        admin_client, endpoint, ca_certificate=pem(authority), client_certificate=chain(made), client_key=key(made)
    )
    assert response.headers["Location"] == page(endpoint)
    assert messages_of(response) == ["The TLS settings were changed."]
    tls = EndpointTls.objects.get()
    assert (tls.ca_certificate, tls.client_certificate) == (pem(authority), chain(made))
    give(admin_client, endpoint, remove_ca="on")
    tls = EndpointTls.objects.get()
    assert (tls.ca_certificate, tls.client_certificate) == ("", chain(made))
    give(admin_client, endpoint, remove_client="on")
    assert not EndpointTls.objects.exists()


def test_the_page_says_what_there_is(admin_client: Client, endpoint: Endpoint, authority: trustme.CA):
    nothing = "Now it trusts the well-known authorities, and shows no certificate."
    assert nothing in text_of(admin_client.get(address(endpoint)))
    endpoint.set_tls({"ca_certificate": pem(authority)}, by=Actor("tests"))
    tls = EndpointTls.objects.get()
    expected = f"Now it trusts {tls.ca_subject}, until {tls.ca_expires_at:%Y-%m-%d}, and shows no certificate."
    assert expected in text_of(admin_client.get(address(endpoint)))


def test_an_empty_form_changes_nothing(admin_client: Client, endpoint: Endpoint, authority: trustme.CA):
    endpoint.set_tls({"ca_certificate": pem(authority)}, by=Actor("tests"))
    assert give(admin_client, endpoint).status_code == 302
    assert EndpointTls.objects.get().ca_certificate == pem(authority)


def test_no_page_shows_the_key_not_even_after_a_mistake(
    admin_client: Client, endpoint: Endpoint, authority: trustme.CA
):
    made, other = issued(authority), issued(authority)
    refused = give(admin_client, endpoint, client_certificate=chain(made), client_key=key(other))
    assert refused.context["form"].errors["client_key"][0].startswith("The key does not belong to ")
    endpoint.set_tls({"client_certificate": chain(made), "client_key": key(made)}, by=Actor("tests"))
    pages = [refused, admin_client.get(address(endpoint)), admin_client.get(page(endpoint))]
    for shown in map(text_of, pages):
        assert key(other).splitlines()[1] not in shown
        assert key(made).splitlines()[1] not in shown


def test_removing_and_giving_do_not_go_together(admin_client: Client, endpoint: Endpoint, authority: trustme.CA):
    response = give(admin_client, endpoint, ca_certificate=pem(authority), remove_ca="on")
    assert response.context["form"].errors == {"remove_ca": ["Either remove it or give another one."]}
    response = give(admin_client, endpoint, client_key="x", remove_client="on")
    assert response.context["form"].errors == {"remove_client": ["Either remove them or give others."]}


def test_an_end_within_two_weeks_is_shown_and_warned_of(
    admin_client: Client, endpoint: Endpoint, authority: trustme.CA
):
    ends = datetime.now(UTC) + timedelta(days=10, hours=1)
    made = issued(authority, ends=ends)
    endpoint.set_tls({"client_certificate": chain(made), "client_key": key(made)}, by=Actor("tests"))
    assert f"{ends:%Y-%m-%d} (in 10 days)" in text_of(admin_client.get(page(Endpoint, "changelist")))
    shown = text_of(admin_client.get(page(endpoint)))
    assert f"The client certificate expires on {ends:%Y-%m-%d}." in shown
    assert f"{ends:%Y-%m-%d} (in 10 days)" in shown


def test_only_who_may_change_the_endpoint_may_change_them(client: Client, django_user_model: Any, endpoint: Endpoint):
    client.force_login(django_user_model.objects.create_user("eve", is_staff=True))
    assert client.get(address(endpoint)).status_code == 403
    assert give(client, endpoint, remove_ca="on").status_code == 403


def test_the_first_page_shows_where_requests_come_from(admin_client: Client, settings: Any):
    assert "Receivers see requests come from" not in text_of(admin_client.get("/admin/"))
    settings.WEBHOOKS = replace(settings.WEBHOOKS, egress_ips=(ip_network("192.0.2.0/24"),))
    assert "Receivers see requests come from: <code>192.0.2.0/24</code>." in text_of(admin_client.get("/admin/"))
