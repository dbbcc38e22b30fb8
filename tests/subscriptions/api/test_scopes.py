import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from subscriptions.api.authentication import _VIEW_PERMISSIONS
from subscriptions.models import AuditEntry, Endpoint, Scope, Subscriber
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import EndpointFactory, SubscriberFactory

pytestmark = pytest.mark.django_db
URL = "https://receiver.example/hooks"


@pytest.fixture
def acme() -> Subscriber:
    return SubscriberFactory(uid="acme")


@pytest.fixture
def theirs(acme: Subscriber) -> ApiClient:
    return ApiClient.with_new_key(Scope.SUBSCRIBER, acme)


def test_a_scope_that_does_not_do_is_answered_with_those_that_do():
    api = ApiClient.with_new_key(Scope.READ)
    detail = "This needs an API key of the scope `admin` or `publish`. Yours has the scope `read`."
    assert_problem(api.post("events/", {"type": "a.b", "data": 1}), 403, "Forbidden", detail, errors={})
    assert_problem(api.send("PUT", "events/", "{}"), 405, "Method Not Allowed", 'Method "PUT" not allowed.', errors={})


class TestAKeyOfASubscriber:
    def test_sees_its_own_rows_only(self, theirs: ApiClient, acme: Subscriber):
        mine, foreign = EndpointFactory(subscriber=acme), EndpointFactory()
        assert [row["id"] for row in theirs.get("endpoints/").json()["results"]] == [mine.id]
        assert theirs.get(f"endpoints/{mine.id}/").status_code == 200
        detail = f"There is no endpoint '{foreign.id}'."
        assert_problem(theirs.get(f"endpoints/{foreign.id}/"), 404, "Not Found", detail, errors={})
        assert theirs.get(f"endpoints/{foreign.id}/secrets/").status_code == 404

    def test_makes_endpoints_for_itself(self, theirs: ApiClient, acme: Subscriber):
        for body in ({"url": URL}, {"url": URL, "subscriber": "acme"}, {"url": URL, "subscriber": acme.id}):
            response = theirs.post("endpoints/", body)
            assert (response.status_code, response.json()["subscriber"]) == (201, acme.id)

    def test_is_told_nothing_of_other_subscribers(self, theirs: ApiClient):
        SubscriberFactory(uid="other")
        for uid in ("other", "nobody"):
            message = f"There is no subscriber with the id or uid '{uid}'."
            assert_refused(theirs.post("endpoints/", {"url": URL, "subscriber": uid}), "subscriber", message)
            assert_refused(theirs.get("endpoints/", subscriber=uid), "subscriber", message)
        assert not Endpoint.objects.exists()

    def test_does_not_change_its_subscriber(self, theirs: ApiClient):
        assert theirs.post("subscribers/", {"name": "Another"}).status_code == 403


class TestSomebodyLoggedIn:
    def get(self, user: User, **options: object) -> int:
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        return client.get("/api/v1/subscribers/", **options).status_code  # type: ignore[arg-type]

    def test_may_read_what_they_may_view_in_the_admin(self):
        user = User.objects.create_user("ada", is_staff=True)
        assert self.get(user) == 403
        for name in _VIEW_PERMISSIONS:
            user.user_permissions.add(Permission.objects.get(codename=name.partition(".")[2]))
        assert self.get(User.objects.get()) == 200

    def test_needs_to_be_staff(self):
        assert self.get(User.objects.create_user("ada")) == 401

    def test_changes_things_with_the_token_of_a_form_only(self):
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.create_superuser("ada"))
        body = {"name": "Acme"}
        assert client.post("/api/v1/subscribers/", body, "application/json").status_code == 403
        client.get("/admin/subscriptions/subscriber/add/")
        token = {"X-CSRFToken": client.cookies["csrftoken"].value}
        assert client.post("/api/v1/subscribers/", body, "application/json", headers=token).status_code == 201
        entry = AuditEntry.objects.get()
        assert (entry.actor, entry.client_address, entry.object_type) == ("user ada", "127.0.0.1", "subscriber")

    def test_is_who_the_key_says_where_there_is_one(self):
        client = Client(headers={"Authorization": "Bearer whk_wrong"})
        client.force_login(User.objects.create_superuser("ada"))
        assert client.get("/api/v1/subscribers/").status_code == 401


@pytest.mark.parametrize("path", ["events/?type=a.b", "endpoints/?limit=5"])
def test_a_method_that_there_is_not_is_answered_as_such_whatever_comes_with_it(path: str):
    response = ApiClient.with_new_key().send("PUT", path, "{}")
    assert_problem(response, 405, "Method Not Allowed", 'Method "PUT" not allowed.', errors={})
