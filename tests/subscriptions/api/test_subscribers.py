import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from subscriptions.models import AuditEntry, Scope, Subscriber
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import EndpointFactory, SubscriberFactory


def test_a_subscriber_is_created_and_read_by_id_and_by_uid(api: ApiClient):
    response = api.post("subscribers/", {"name": "Acme", "uid": "acme"})
    subscriber = Subscriber.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": subscriber.id,
        "uid": "acme",
        "name": "Acme",
        "contact_email": "",
        "metadata": {},
        "is_operator": False,
        "rate_limit": None,
        "rate_period": "second",
        "created_at": subscriber.created_at.isoformat().replace("+00:00", "Z"),
    }
    for text in (subscriber.id, "acme"):
        assert api.get(f"subscribers/{text}/").json() == response.json()


def test_operators_and_whom_to_tell_of_trouble_are_named_when_it_is_created(api: ApiClient):
    body = {"name": "Operations", "is_operator": True, "contact_email": "ops@example.com"}
    created = api.post("subscribers/", body).json()
    assert (created["is_operator"], created["contact_email"]) == (True, "ops@example.com")
    refused = api.post("subscribers/", {"name": "Acme", "contact_email": "nobody"})
    assert_refused(refused, "contact_email", "Enter a valid email address.")


def test_a_subscriber_needs_no_uid(api: ApiClient):
    assert api.post("subscribers/", {"name": "Acme"}).json()["uid"] is None
    assert api.post("subscribers/", {"name": "Acme", "uid": None}).status_code == 201


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "name", "This field is required."),
        ({"name": ""}, "name", "This field may not be blank."),
        ({"name": None}, "name", "This field may not be null."),
        ({"name": 5}, "name", "Not a valid string."),
        ({"name": "A\x00"}, "name", "Null characters are not allowed."),
        ({"name": "a" * 201}, "name", "Ensure this value has at most 200 characters (it has 201)."),
        ({"name": "Acme", "uid": "a/b"}, "uid", "Write a uid of letters, digits and . _ : @ + ~ - without spaces."),
        ({"name": "Acme", "uid": "taken"}, "uid", "Subscriber with this Uid already exists."),
        ({"name": "Acme", "nmae": "x"}, "nmae", "There is no such field."),
        ({"name": "Acme", "id": "sub_06asqfjqg1tbp3ff04hkaps9lc"}, "id", "There is no such field."),
    ],
)
def test_what_does_not_fit_is_refused(api: ApiClient, body: dict[str, Any], field: str, message: str):
    taken = SubscriberFactory(uid="taken")
    assert_refused(api.post("subscribers/", body), field, message)
    assert list(Subscriber.objects.all()) == [taken]


def test_every_wrong_field_is_named(api: ApiClient):
    response = api.post("subscribers/", {"uid": 5, "colour": "red"})
    assert_problem(
        response,
        400,
        "Bad Request",
        "name: This field is required. uid: Not a valid string. colour: There is no such field.",
        {"name": "This field is required.", "uid": "Not a valid string.", "colour": "There is no such field."},
    )


@pytest.mark.parametrize("text", ["nobody", "sub_nothing", "sub_06asqfjqg1tbp3ff04hkaps9lc", "ep_x", "%00", "%FF"])
def test_nobody_is_404(api: ApiClient, text: str):
    response = api.get(f"subscribers/{text}/")
    assert response.status_code == 404
    assert response.json()["detail"].startswith("There is no subscriber with the id or uid '")


def test_subscribers_are_listed_newest_first_in_two_statements(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    subscribers = SubscriberFactory.create_batch(3)
    with django_assert_num_queries(2):
        page = api.get("subscribers/").json()
    assert [row["id"] for row in page["results"]] == [subscriber.id for subscriber in reversed(subscribers)]
    assert (page["next"], page["previous"]) == (None, None)


def test_a_subscriber_is_changed(api: ApiClient):
    subscriber = SubscriberFactory(uid="acme")
    body = {"name": "Acme Ltd", "uid": "acme-2", "contact_email": "ops@acme.example", "metadata": {"plan": "gold"}}
    response = api.send("PATCH", "subscribers/acme/", json.dumps(body))
    assert response.status_code == 200
    assert response.json() == api.get(f"subscribers/{subscriber.id}/").json()
    assert {name: response.json()[name] for name in body} == body
    assert AuditEntry.objects.get().fields == sorted(body)
    assert api.send("PATCH", "subscribers/acme-2/", "{}").json() == response.json()
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"uid": "taken"}, "uid", "Subscriber with this Uid already exists."),
        ({"contact_email": "acme"}, "contact_email", "Enter a valid email address."),
        ({"metadata": []}, "metadata", 'Write an object of texts, such as {"plan": "gold"}.'),
        ({"metadata": None}, "metadata", "This field may not be null."),
        ({"name": ""}, "name", "This field may not be blank."),
        ({"created_at": None}, "created_at", "There is no such field."),
    ],
)
def test_a_change_that_does_not_fit_is_refused(api: ApiClient, body: dict[str, Any], field: str, message: str):
    SubscriberFactory(uid="taken")
    subscriber = SubscriberFactory(uid="acme", name="Acme")
    assert_refused(api.send("PATCH", "subscribers/acme/", json.dumps(body)), field, message)
    subscriber.refresh_from_db()
    assert (subscriber.name, subscriber.uid, subscriber.metadata) == ("Acme", "acme", {})


def test_a_deleted_subscriber_is_gone_with_its_endpoints_and_keys_and_its_uid_is_free(api: ApiClient):
    acme = SubscriberFactory(uid="acme")
    endpoints, other = EndpointFactory.create_batch(3, subscriber=acme), EndpointFactory()
    theirs = ApiClient.with_new_key(Scope.SUBSCRIBER, acme)
    assert theirs.get("endpoints/").status_code == 200

    assert api.send("DELETE", "subscribers/acme/", "").status_code == 204
    for text in ("acme", acme.id):
        assert api.get(f"subscribers/{text}/").status_code == 404
        assert api.get("endpoints/", subscriber=text).status_code == 400
    assert [row["id"] for row in api.get("endpoints/").json()["results"]] == [other.id]
    assert theirs.get("endpoints/").status_code == 401
    assert api.post("subscribers/", {"name": "Acme again", "uid": "acme"}).status_code == 201

    deleted = AuditEntry.objects.filter(action="deleted").values_list("object_id", flat=True)
    assert set(deleted) == {acme.id, *(endpoint.id for endpoint in endpoints)}


def test_many_endpoints_are_deleted_in_as_many_statements_as_few(api: ApiClient):
    with CaptureQueriesContext(connection) as few:
        EndpointFactory(subscriber__uid="few")
        few_before = len(few)
        api.send("DELETE", "subscribers/few/", "")
    many = SubscriberFactory(uid="many")
    EndpointFactory.create_batch(20, subscriber=many)
    with CaptureQueriesContext(connection) as statements:
        api.send("DELETE", "subscribers/many/", "")
    # The key is known by now.
    assert len(statements) < len(few) - few_before


def test_subscribers_are_found_by_uid_and_by_how_their_name_begins(api: ApiClient):
    acme, acne = SubscriberFactory(name="Acme", uid="acme"), SubscriberFactory(name="ACME two")
    SubscriberFactory(name="Other")
    assert [row["id"] for row in api.get("subscribers/", uid="acme").json()["results"]] == [acme.id]
    assert [row["id"] for row in api.get("subscribers/", name="acme").json()["results"]] == [acne.id, acme.id]
