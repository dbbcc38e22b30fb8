import dataclasses
import json
from typing import Any

import pytest
from pytest_django import Settings

from subscriptions.models import ApiKey, AuditEntry
from tests.api_client import ApiClient
from tests.factories import NOON, AuditEntryFactory, EndpointFactory, SubscriberFactory


def log(api: ApiClient, **filters: str) -> list[Any]:
    return list(api.get("audit-log/", **filters).json()["results"])


def test_it_tells_who_changed_what_when_and_from_where(api: ApiClient):
    endpoint = EndpointFactory()
    body = {"credentials": {"kind": "bearer", "token": "a-token"}}
    api.send("PUT", f"endpoints/{endpoint.id}/credentials/", json.dumps(body))
    [entry] = log(api)
    assert entry == {
        "id": AuditEntry.objects.get().id,
        "action": "changed",
        "object_type": "endpoint",
        "object": endpoint.id,
        "endpoint": endpoint.id,
        "changed_fields": ["credentials"],
        "detail": "",
        "actor": f"API key {ApiKey.objects.get()}",
        "client_address": "127.0.0.1",
        "created_at": entry["created_at"],
    }
    assert "a-token" not in str(entry)


def test_every_change_has_an_entry(api: ApiClient):
    acme = api.post("subscribers/", {"name": "Acme"}).json()["id"]
    api.post("event-types/", {"name": "a.b"})
    made = api.post("endpoints/", {"subscriber": acme, "url": "https://receiver.example/"}).json()["id"]
    secret = api.post(f"endpoints/{made}/secret/rotate/", {}).json()["id"]
    api.post(f"endpoints/{made}/secrets/{secret}/reveal/", {})
    api.send("PUT", f"endpoints/{made}/headers/", json.dumps({"headers": {"X-A": "1"}}))
    done = [(entry["object_type"], entry["action"]) for entry in reversed(log(api))]
    assert done == [
        ("subscriber", "created"),
        ("event_type", "created"),
        ("endpoint", "created"),
        ("signing_secret", "created"),
        ("signing_secret", "created"),
        ("signing_secret", "expired"),
        ("signing_secret", "revealed"),
        ("endpoint", "changed"),
    ]
    assert len(log(api, endpoint=made)) == 6
    assert [entry["action"] for entry in log(api, object=secret)] == ["revealed", "created"]


def test_it_can_be_filtered(api: ApiClient):
    one, other = AuditEntryFactory(), AuditEntryFactory(action="created", actor="user bob", object_type="endpoint")
    AuditEntry.objects.filter(pk=other.pk).update(created_at=NOON)
    for filters, found in (
        ({"action": "created"}, other),
        ({"actor": "user ada"}, one),
        ({"object_type": "endpoint"}, other),
        ({"endpoint": one.endpoint}, one),
        ({"object": other.object_id}, other),
        ({"created_after": "2026-03-01T12:00:01Z"}, one),
        ({"created_before": "2026-03-01T12:00:01Z"}, other),
    ):
        assert [entry["id"] for entry in log(api, **filters)] == [found.id]
    assert api.get("audit-log/", nothing="x").status_code == 400


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "127.0.0.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.9, 2001:db8::1, 10.0.0.1", "2001:db8::1"),
        (2, "198.51.100.1", "127.0.0.1"),
        (1, "unknown", None),
    ],
)
def test_the_address_is_what_the_trusted_proxies_saw(
    api: ApiClient, settings: Settings, proxies: int, forwarded: str, address: str | None
):
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, trusted_proxies=proxies)
    api._headers["X-Forwarded-For"] = forwarded
    api.post("subscribers/", {"name": SubscriberFactory.build().name})
    assert AuditEntry.objects.get().client_address == address
