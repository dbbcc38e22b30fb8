import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from dispatch.publish import publish_event, publish_test
from subscriptions.models import Scope
from tests.api_client import ApiClient, assert_refused
from tests.dispatch.feeding import wait_until_shown
from tests.factories import NOON, EndpointFactory, SubscriberFactory

# The feed shows what comes before the oldest transaction that has not ended, which would be that of the test.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api() -> ApiClient:
    return ApiClient.with_new_key()


def test_a_subscriber_follows_its_events_with_a_cursor():
    acme, other = SubscriberFactory(uid="acme"), SubscriberFactory()
    api = ApiClient.with_new_key(Scope.SUBSCRIBER, acme)
    ids = [publish_event("invoice.paid", {"n": n}, subscriber=acme).event.id for n in range(3)]
    wait_until_shown(publish_event("invoice.paid", {}, subscriber=other).event.id)

    first = api.get("events/feed/", limit="2").json()
    assert [(row["id"], row["data"]) for row in first["results"]] == [(ids[0], {"n": 0}), (ids[1], {"n": 1})]
    assert first["has_more"] is True
    second = api.get("events/feed/", after=first["cursor"]).json()
    assert ([row["id"] for row in second["results"]], second["has_more"]) == ([ids[2]], False)
    third = api.get("events/feed/", after=second["cursor"]).json()
    assert third == {"results": [], "cursor": second["cursor"], "has_more": False}


def test_others_name_the_subscriber_and_may_name_a_type(api: ApiClient):
    acme = SubscriberFactory(uid="acme")
    paid = publish_event("invoice.paid", {}, subscriber=acme).event
    wait_until_shown(publish_event("order.created", {}, subscriber=acme).event.id)
    found = api.get("events/feed/", subscriber="acme", event_type="invoice.paid").json()
    assert [row["id"] for row in found["results"]] == [paid.id]
    assert_refused(api.get("events/feed/"), "subscriber", "This field is required.")


def test_a_test_event_is_not_in_the_feed(api: ApiClient):
    endpoint = EndpointFactory(subscriber__uid="acme")
    publish_test(endpoint, "invoice.paid", now=NOON)
    assert api.get("events/feed/", subscriber="acme").json()["results"] == []


@pytest.mark.parametrize("cursor", ["nothing", "", "bnVsbA==", "WzEsIDJd", "WzEsICJ4Il0=", "WyJ4IiwgIngiXQ==", "é"])
def test_a_cursor_that_is_none_is_refused(api: ApiClient, cursor: str):
    SubscriberFactory(uid="acme")
    response = api.get("events/feed/", subscriber="acme", after=cursor)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "after"


def test_a_page_takes_as_many_statements_however_long_it_is(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    acme = SubscriberFactory(uid="acme")
    for _ in range(4):
        wait_until_shown(publish_event("invoice.paid", {}, subscriber=acme).event.id)
    # Key, subscriber, events, and the page itself, which is not counted on PostgreSQL: it goes to the driver.
    with django_assert_num_queries(4 if connection.vendor == "sqlite" else 3):
        assert len(api.get("events/feed/", subscriber="acme").json()["results"]) == 4
