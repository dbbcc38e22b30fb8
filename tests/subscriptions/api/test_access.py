"""Credentials and custom headers over the API: they go in, and only what is no secret comes out."""

import json
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from subscriptions import ids
from subscriptions.models import CustomHeaders, Endpoint, EndpointCredentials
from tests.api_client import ApiClient, assert_refused
from tests.encryption_keys import FIRST, SECOND, use
from tests.factories import EndpointFactory, SubscriberFactory

URL = "https://receiver.example/hooks"
SECRET = "s3cr3t-of-theirs"
BASIC = {"kind": "basic", "user": "ada", "password": SECRET}
HEADER = {"kind": "header", "name": "X-Api-Key", "value": SECRET}
OAUTH2 = {
    "kind": "oauth2",
    "token_url": "https://issuer.example/token",
    "client_id": "us",
    "client_secret": SECRET,
    "scope": "hooks",
}
SHOWN = {
    "basic": {"kind": "basic", "user": "ada"},
    "bearer": {"kind": "bearer"},
    "header": {"kind": "header", "name": "X-Api-Key"},
    "oauth2": {
        "kind": "oauth2",
        "token_url": "https://issuer.example/token",
        "client_id": "us",
        "scope": "hooks",
        "audience": "",
        "client_authentication": "basic",
    },
}


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    return EndpointFactory()


def put(api: ApiClient, endpoint: Endpoint, what: str, value: Any) -> Any:
    return api.send("PUT", f"endpoints/{endpoint.id}/{what}/", json.dumps({what: value}))


def stored() -> str:
    """Give all that the tables hold, as it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, settings, secret FROM subscriptions_endpointcredentials")
        rows = cursor.fetchall()
        cursor.execute("SELECT names, headers FROM subscriptions_customheaders")
        return str([*rows, *cursor.fetchall()])


@pytest.mark.parametrize("given", [BASIC, {"kind": "bearer", "token": SECRET}, HEADER, OAUTH2])
def test_an_endpoint_is_created_with_them_and_their_secrets_are_never_shown(api: ApiClient, given: dict[str, str]):
    body = {"subscriber": SubscriberFactory().id, "url": URL, "credentials": given, "headers": {"X-Tenant": SECRET}}
    created = api.post("endpoints/", body)
    assert created.status_code == 201
    seen = [created, api.get(f"endpoints/{created.json()['id']}/"), api.get("endpoints/")]
    for response in seen:
        assert SECRET not in response.content.decode()
    for row in (seen[0].json(), seen[1].json(), seen[2].json()["results"][0]):
        assert (row["credentials"], row["header_names"]) == (SHOWN[given["kind"]], ["X-Tenant"])
    assert SECRET not in stored()
    assert given["kind"] in stored()


def test_they_are_replaced_as_a_whole_and_taken_away(api: ApiClient, endpoint: Endpoint):
    assert put(api, endpoint, "credentials", BASIC).json()["credentials"] == SHOWN["basic"]
    assert put(api, endpoint, "credentials", OAUTH2).json()["credentials"] == SHOWN["oauth2"]
    assert EndpointCredentials.objects.get().read().client_secret == SECRET
    assert put(api, endpoint, "credentials", None).json()["credentials"] is None
    assert not EndpointCredentials.objects.exists()

    assert put(api, endpoint, "headers", {"X-A": "1", "X-B": "2"}).json()["header_names"] == ["X-A", "X-B"]
    assert put(api, endpoint, "headers", {"X-C": "3"}).json()["header_names"] == ["X-C"]
    assert CustomHeaders.objects.get().headers == {"X-C": "3"}
    assert put(api, endpoint, "headers", {}).json()["header_names"] == []
    assert not CustomHeaders.objects.exists()


@pytest.mark.parametrize(
    ("what", "value", "message"),
    [
        ("credentials", {"kind": "digest"}, "Write an object with a kind: one of basic, bearer, header, oauth2."),
        ("credentials", BASIC | {"user": "a:b"}, "user must be a text of 1 to 500 characters without colons."),
        (
            "credentials",
            HEADER | {"name": "Host"},
            "The header Host is not yours to set: the dispatcher, HTTP or a proxy writes it.",
        ),
        ("headers", None, "This field may not be null."),
        ("headers", ["X-Y"], "Write headers as an object: values by name."),
        (
            "headers",
            {"X-Y": "a\r\nHost: b"},
            "The value of X-Y must be a text of one line, in Latin 1, not empty, "
            "without control characters and without spaces at its ends.",
        ),
        (
            "headers",
            {"Webhook-Id": "x"},
            "The header Webhook-Id is not yours to set: the dispatcher, HTTP or a proxy writes it.",
        ),
        ("headers", {f"X-{n}": "1" for n in range(21)}, "An endpoint may have 20 headers of its own, not 21."),
        ("headers", {"X-Y": "a" * 8190}, "Names and values may have 8192 bytes together, not 8193."),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    api: ApiClient, endpoint: Endpoint, what: str, value: Any, message: str
):
    put(api, endpoint, "credentials", BASIC)
    put(api, endpoint, "headers", {"X-A": "1"})
    assert_refused(put(api, endpoint, what, value), what, message)
    assert (EndpointCredentials.objects.get().read().user, CustomHeaders.objects.get().headers) == (
        "ada",
        {"X-A": "1"},
    )

    if value is not None:
        body = {"subscriber": SubscriberFactory().id, "url": URL, what: value}
        assert_refused(api.post("endpoints/", body), what, message)
        assert Endpoint.objects.count() == 1


def test_no_header_is_written_by_two(api: ApiClient):
    own = {"header": "X-Acme-Signature"}
    endpoint = EndpointFactory(signature_schemes=["standard", own])
    in_use = "The header {} is in use already: for a signature, the credentials or as one of your own."
    for name in ("x-acme-signature", "X-ACME-SIGNATURE"):
        assert_refused(put(api, endpoint, "headers", {name: "1"}), "headers", in_use.format(name))
        assert_refused(put(api, endpoint, "credentials", HEADER | {"name": name}), "credentials", in_use.format(name))

    put(api, endpoint, "credentials", BASIC)
    taken = put(api, endpoint, "headers", {"authorization": "x"})
    assert_refused(taken, "headers", in_use.format("authorization"))
    put(api, endpoint, "credentials", None)
    assert put(api, endpoint, "headers", {"authorization": "x", "X-Api-Key": "y"}).status_code == 200
    assert_refused(put(api, endpoint, "credentials", BASIC), "credentials", in_use.format("Authorization"))
    assert_refused(put(api, endpoint, "credentials", HEADER), "credentials", in_use.format("X-Api-Key"))


def test_a_list_still_takes_three_statements(api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries):
    for endpoint in EndpointFactory.create_batch(3):
        endpoint.set_credentials(BASIC)
        endpoint.set_headers({"X-Tenant": "7"})
    with django_assert_num_queries(3):
        rows = api.get("endpoints/").json()["results"]
    assert [(row["credentials"], row["header_names"]) for row in rows] == [(SHOWN["basic"], ["X-Tenant"])] * 3


def test_what_may_be_shown_needs_no_key(api: ApiClient, endpoint: Endpoint, settings: Any):
    use(settings, FIRST)
    endpoint.set_credentials(BASIC)
    use(settings, SECOND)
    assert api.get(f"endpoints/{endpoint.id}/").json()["credentials"] == SHOWN["basic"]


def test_nobody_without_a_key_and_no_endpoint_that_does_not_exist(api: ApiClient, endpoint: Endpoint):
    for what in ("credentials", "headers"):
        assert put(ApiClient(), endpoint, what, None).status_code == 401
        missing = Endpoint(id=ids.encode("ep", ids.uuid7()))
        assert put(api, missing, what, {}).status_code == 404
        assert_refused(api.send("PUT", f"endpoints/{endpoint.id}/{what}/", "{}"), what, "This field is required.")
