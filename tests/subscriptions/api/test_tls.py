"""Certificates of an endpoint over the API, and where requests come from."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import trustme
from django.conf import settings as django_settings
from django.core.management import call_command

from subscriptions.models import AuditEntry, Endpoint, EndpointTls
from tests.api_client import ApiClient, assert_refused
from tests.certificates_made import chain, issued, key, pem
from tests.encryption_keys import FIRST, FIRST_NAME, stored, use
from tests.factories import EndpointFactory, SubscriberFactory

NOTHING = {
    "ca_certificate": None,
    "ca_subject": None,
    "ca_expires_at": None,
    "client_certificate": None,
    "client_subject": None,
    "client_expires_at": None,
    "warnings": [],
    "changed_at": None,
}
TABLE = "subscriptions_endpointtls"


@pytest.fixture(scope="module")
def client(authority: trustme.CA) -> trustme.LeafCert:
    return issued(authority, ends=datetime.now(UTC) + timedelta(days=100))


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    return EndpointFactory()


def change(api: ApiClient, endpoint: Endpoint, **body: Any) -> Any:

    return api.send("PATCH", f"endpoints/{endpoint.id}/tls/", json.dumps(body))


def both(client: trustme.LeafCert) -> dict[str, str]:
    return {"client_certificate": chain(client), "client_key": key(client)}


def test_an_endpoint_has_none_to_begin_with(api: ApiClient, endpoint: Endpoint):
    assert api.get(f"endpoints/{endpoint.id}/tls/").json() == NOTHING


def test_certificates_are_given_and_shown_and_the_key_never(
    api: ApiClient, endpoint: Endpoint, authority: trustme.CA, client: trustme.LeafCert
):
    response = change(api, endpoint, ca_certificate=pem(authority), **both(client))
    assert response.status_code == 200
    shown = response.json()
    assert (shown["ca_certificate"], shown["client_certificate"]) == (pem(authority), chain(client))
    ends = EndpointTls.objects.get().client_expires_at
    assert shown["client_expires_at"] == ends.isoformat().replace("+00:00", "Z")
    assert shown["warnings"] == []
    again = api.get(f"endpoints/{endpoint.id}/tls/")
    assert again.json() == shown
    for text in (response.content.decode(), again.content.decode(), *stored(TABLE, "client_key")):
        assert "PRIVATE" not in text
        assert key(client).splitlines()[1] not in text
    assert EndpointTls.objects.get().client_key.startswith("-----BEGIN PRIVATE KEY-----")
    [entry] = AuditEntry.objects.exclude(action="changed")
    assert (entry.action, entry.endpoint, entry.detail) == (
        "imported",
        endpoint.id,
        "The key of a client certificate.",
    )


def test_what_is_left_out_stays_and_null_takes_away(
    api: ApiClient, endpoint: Endpoint, authority: trustme.CA, client: trustme.LeafCert
):
    change(api, endpoint, **both(client))
    [before] = stored(TABLE, "client_key")
    first = EndpointTls.objects.get().digest
    assert change(api, endpoint, ca_certificate=pem(authority)).json()["client_certificate"] == chain(client)
    assert stored(TABLE, "client_key") == [before]
    assert EndpointTls.objects.get().digest != first
    assert change(api, endpoint, client_certificate=None).json()["client_certificate"] is None
    assert stored(TABLE, "client_key") == [None]
    assert change(api, endpoint, ca_certificate=None).json() == NOTHING
    assert not EndpointTls.objects.exists()
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == [
        "changed",
        "imported",
        "changed",
        "changed",
        "expired",
        "changed",
    ]


def test_an_endpoint_can_be_created_with_them(api: ApiClient, authority: trustme.CA, client: trustme.LeafCert):
    body = {
        "subscriber": SubscriberFactory().id,
        "url": "https://receiver.example/",
        "tls": {"ca_certificate": pem(authority), **both(client)},
    }
    response = api.post("endpoints/", body)
    assert response.status_code == 201
    assert EndpointTls.objects.get().endpoint_id == response.json()["id"]


def test_no_endpoint_is_created_with_wrong_ones(api: ApiClient, authority: trustme.CA):
    body = {
        "subscriber": SubscriberFactory().id,
        "url": "https://receiver.example/",
        "tls": {"ca_certificate": pem(authority)[:200]},
    }
    assert_refused(api.post("endpoints/", body), "ca_certificate", "A certificate cannot be read.")
    assert not Endpoint.objects.exists()


def test_wrong_ones_are_refused_by_field(
    api: ApiClient, endpoint: Endpoint, authority: trustme.CA, client: trustme.LeafCert
):
    together = "A client certificate and its key are given together."
    assert_refused(change(api, endpoint, client_certificate=chain(client)), "client_key", together)
    assert_refused(change(api, endpoint, client_key=key(client)), "client_certificate", together)
    response = change(api, endpoint, client_certificate=chain(client), client_key=key(issued(authority)))
    [error] = response.json()["errors"]
    assert error["field"] == "client_key"
    assert error["message"].startswith("The key does not belong to the certificate of ")
    old = issued(authority, ends=datetime.now(UTC) - timedelta(days=1))
    [error] = change(api, endpoint, **both(old)).json()["errors"]
    assert error["field"] == "client_certificate"
    assert " expired on " in error["message"]
    assert not EndpointTls.objects.exists()
    assert not AuditEntry.objects.exists()


def test_they_need_https(api: ApiClient, authority: trustme.CA):
    endpoint = EndpointFactory(url="http://receiver.example/")
    response = change(api, endpoint, ca_certificate=pem(authority))
    assert_refused(response, "ca_certificate", "The endpoint's URL is not https.")


def test_those_that_end_soon_are_warned_of(api: ApiClient, endpoint: Endpoint, authority: trustme.CA):
    ends = datetime.now(UTC) + timedelta(days=13)
    response = change(api, endpoint, **both(issued(authority, ends=ends)))
    assert response.json()["warnings"] == [f"The client certificate expires on {ends:%Y-%m-%d}."]


def test_keys_are_encrypted_anew_with_all_other_secrets(
    api: ApiClient, endpoint: Endpoint, client: trustme.LeafCert, settings: Any
):

    change(api, endpoint, **both(client))
    before = EndpointTls.objects.get().client_key
    use(settings, FIRST, *django_settings.WEBHOOKS.encryption_keys)
    call_command("rotate_encryption_key", stdout=io.StringIO())
    assert stored(TABLE, "client_key")[0].startswith(FIRST_NAME)
    assert EndpointTls.objects.get().client_key == before


def test_an_unknown_endpoint_is_not_found(api: ApiClient):
    assert api.get("endpoints/ep_1/tls/").status_code == 404


class TestEgressIps:
    def test_are_those_of_the_settings(self, api: ApiClient, settings: Any):
        networks = (ip_network("192.0.2.7/32"), ip_network("2001:db8::/64"))
        settings.WEBHOOKS = replace(settings.WEBHOOKS, egress_ips=networks)
        assert api.get("egress-ips/").json() == {"egress_ips": ["192.0.2.7/32", "2001:db8::/64"]}

    def test_are_for_everybody(self, db: None):
        assert ApiClient().get("egress-ips/").status_code == 200


@pytest.mark.parametrize("wrong", [False, 1, "", []])
def test_what_is_no_object_inside_a_body_is_refused(api: ApiClient, wrong: object):
    body = {"subscriber": SubscriberFactory().id, "url": "https://receiver.example/", "tls": wrong}
    assert_refused(api.post("endpoints/", body), "tls", "Send a JSON object.")
