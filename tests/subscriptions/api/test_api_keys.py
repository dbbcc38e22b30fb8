from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from subscriptions.models import ApiKey, AuditEntry, Scope
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import NOON, SubscriberFactory

END = datetime(2100, 1, 1, tzinfo=UTC)


def test_a_key_is_shown_once_and_good_for_its_scope(api: ApiClient):
    response = api.post("api-keys/", {"name": "CI", "scope": "publish", "expires_at": "2100-01-01T00:00:00Z"})
    made = response.json()
    text = made.pop("key")
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    key = ApiKey.objects.get(name="CI")
    assert made == {
        "id": key.id,
        "name": "CI",
        "prefix": text[:12],
        "scope": "publish",
        "subscriber": None,
        "rate_limit": None,
        "created_at": made["created_at"],
        "expires_at": "2100-01-01T00:00:00Z",
        "last_used_at": None,
        "revoked_at": None,
    }
    assert api.get(f"api-keys/{key.id}/").json() == made
    assert ApiClient(text).post("events/", {"type": "a.b", "data": 1}).status_code == 201
    assert ApiClient(text).get("events/").status_code == 403
    assert api.get(f"api-keys/{key.id}/").json()["last_used_at"] is not None
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_id, entry.detail) == ("created", key.id, "Scope publish.")


def test_a_key_of_one_subscriber(api: ApiClient):
    acme = SubscriberFactory(uid="acme")
    made = api.post("api-keys/", {"name": "Acme", "scope": "subscriber", "subscriber": "acme"}).json()
    assert made["subscriber"] == acme.id
    assert [row["id"] for row in ApiClient(made["key"]).get("subscribers/").json()["results"]] == [acme.id]
    assert [row["id"] for row in api.get("api-keys/", subscriber="acme").json()["results"]] == [made["id"]]
    assert [row["id"] for row in api.get("api-keys/", scope="subscriber").json()["results"]] == [made["id"]]


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({}, "scope", "This field is required."),
        ({"scope": "root"}, "scope", "root is unknown: write one of admin, publish, read, subscriber."),
        ({"scope": "read", "name": "a\nb"}, "name", "Write it in printable characters."),
        (
            {"scope": "subscriber"},
            "subscriber",
            "A key of the scope 'subscriber' needs a subscriber, no other key has one.",
        ),
        (
            {"scope": "read", "subscriber": "acme"},
            "subscriber",
            "A key of the scope 'subscriber' needs a subscriber, no other key has one.",
        ),
        (
            {"scope": "read", "expires_at": "2020-01-01T00:00:00Z"},
            "expires_at",
            "This moment has passed. Write one to come, or none.",
        ),
        (
            {"scope": "read", "expires_at": "2100-01-01T00:00:00"},
            "expires_at",
            "Write a time with its zone, such as 2026-03-01T12:00:00Z.",
        ),
        ({"scope": "read", "rate_limit": "3"}, "rate_limit", "A valid integer is required."),
    ],
)
def test_what_does_not_fit_is_refused_by_field(api: ApiClient, wrong: dict[str, Any], field: str, message: str):
    SubscriberFactory(uid="acme")
    assert_refused(api.post("api-keys/", {"name": "CI"} | wrong), field, message)
    assert ApiKey.objects.count() == 1


def test_a_revoked_key_works_no_more_and_is_still_listed(api: ApiClient):
    key, text = ApiKey.objects.generate("CI", scope=Scope.READ)
    assert ApiClient(text).get("events/").status_code == 200
    revoked = api.post(f"api-keys/{key.id}/revoke/", {}).json()
    assert ApiClient(text).get("events/").status_code == 401
    again = api.post(f"api-keys/{key.id}/revoke/", {}).json()
    assert revoked["revoked_at"] == again["revoked_at"] is not None
    assert key.id in [row["id"] for row in api.get("api-keys/").json()["results"]]
    assert AuditEntry.objects.filter(object_id=key.id, action="revoked").count() == 1
    refused = api.post(f"api-keys/{key.id}/expire/", {"expires_at": None})
    assert_problem(refused, 409, "Conflict", "The key was revoked. Create another one.", errors={})


def test_a_key_ends_when_it_is_told_to(api: ApiClient, monkeypatch: pytest.MonkeyPatch):
    key, text = ApiKey.objects.generate("CI")
    soon = timezone.now() + timedelta(hours=1)
    assert api.post(f"api-keys/{key.id}/expire/", {"expires_at": soon.isoformat()}).status_code == 200
    assert ApiClient(text).get("events/").status_code == 200
    ApiKey.objects.distrust()
    monkeypatch.setattr("subscriptions.models.api_key.timezone.now", lambda: soon)
    assert ApiClient(text).get("events/").status_code == 401
    assert api.post(f"api-keys/{key.id}/expire/", {"expires_at": None}).status_code == 200
    assert ApiClient(text).get("events/").status_code == 200


def test_the_use_of_a_key_is_noted_once_a_minute(db: None, monkeypatch: pytest.MonkeyPatch):
    key, text = ApiKey.objects.generate("CI")
    for seconds, noted in ((0, 0), (59, 0), (60, 60), (119, 60)):
        now = NOON + timedelta(seconds=seconds)
        monkeypatch.setattr("subscriptions.models.api_key.timezone.now", lambda now=now: now)
        ApiKey.objects.distrust()
        assert ApiKey.objects.find(text) == key
        key.refresh_from_db()
        assert key.last_used_at == NOON + timedelta(seconds=noted)


def test_lists_take_one_statement(api: ApiClient, django_assert_num_queries: Any):
    for number in range(3):
        ApiKey.objects.generate(str(number))
    api.get("api-keys/")
    with django_assert_num_queries(1):
        assert len(api.get("api-keys/").json()["results"]) == 4
    with django_assert_num_queries(1):
        assert len(api.get("audit-log/").json()["results"]) == 3
