from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from subscriptions.models import Subscriber
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import SubscriberFactory


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
        "created_at": subscriber.created_at.isoformat().replace("+00:00", "Z"),
    }
    for text in (subscriber.id, "acme"):
        assert api.get(f"subscribers/{text}/").json() == response.json()


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
