"""What changes an endpoint over the API."""

import json
from dataclasses import replace
from typing import Any

import pytest
import trustme
from pytest_django import Settings

from subscriptions.models import AuditEntry, Endpoint, EndpointState, Scope
from subscriptions.models.audit import PLATFORM
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.certificates_made import pem
from tests.factories import (
    CustomHeadersFactory,
    EndpointCredentialsFactory,
    EndpointFactory,
    SubscriberFactory,
)


def patch(api: ApiClient, endpoint: Endpoint, **body: Any) -> Any:
    return api.send("PATCH", f"endpoints/{endpoint.id}/", json.dumps(body))


def audited() -> list[tuple[str, list[str]]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "fields"))


class TestAPatch:
    def test_changes_what_it_names(self, api: ApiClient):
        endpoint = EndpointFactory()
        given = {
            "url": "https://other.example/hooks",
            "description": "Billing",
            "event_types": ["invoice.*", "order.created"],
            "channels": ["a", "b"],
            "payload_format": "thin",
            "retry_schedule": [5],
            "timeout": 2,
            "metadata": {"plan": "gold"},
            "signature_schemes": ["github"],
        }
        before = api.get(f"endpoints/{endpoint.id}/").json()
        response = patch(api, endpoint, **given)
        assert response.status_code == 200
        assert response.json() == before | given
        assert api.get(f"endpoints/{endpoint.id}/").json() == response.json()
        assert audited() == [("changed", sorted(given))]

    def test_takes_settings_of_its_own_away(self, api: ApiClient):
        endpoint = EndpointFactory(retry_schedule=[1], timeout=2, channels=["a"], metadata={"a": "b"})
        body: dict[str, Any] = {"retry_schedule": None, "timeout": None, "channels": [], "metadata": {}}
        assert patch(api, endpoint, **body).status_code == 200
        endpoint.refresh_from_db()
        assert {name: getattr(endpoint, name) for name in body} == body

    def test_replaces_credentials_and_headers(self, api: ApiClient):
        endpoint = EndpointFactory()
        body = {"credentials": {"kind": "bearer", "token": "t0ken"}, "headers": {"X-Tenant": "7"}}
        response = patch(api, endpoint, **body)
        assert (response.json()["credentials"], response.json()["header_names"]) == ({"kind": "bearer"}, ["X-Tenant"])
        assert "t0ken" not in response.content.decode()

    def test_sends_no_credentials_to_another_host(self, api: ApiClient):
        endpoint = EndpointFactory(url="https://receiver.example/hooks")
        EndpointCredentialsFactory(endpoint=endpoint)
        CustomHeadersFactory(endpoint=endpoint)
        new = {"url": "https://other.example/hooks"}

        refused = patch(api, endpoint, **new, credentials=None)
        assert_refused(
            refused,
            "url",
            "The endpoint has headers for its present host. Replace them or take them away with the URL.",
        )
        assert patch(api, endpoint, **new, credentials=None, headers={}).status_code == 200
        endpoint.refresh_from_db()
        assert endpoint.url == new["url"]

    def test_moves_within_a_host_with_its_credentials(self, api: ApiClient):
        endpoint = EndpointFactory(url="https://receiver.example/hooks")
        EndpointCredentialsFactory(endpoint=endpoint)

        assert patch(api, endpoint, url="https://receiver.example/other").status_code == 200
        assert Endpoint.objects.get().credentials.kind == "bearer"

    def test_that_changes_nothing_leaves_no_trace(self, api: ApiClient):
        endpoint = EndpointFactory(event_types=["a.b", "c"])
        assert patch(api, endpoint, url=endpoint.url, event_types=["c", "a.b"]).status_code == 200
        assert audited() == []

    @pytest.mark.parametrize(
        ("wrong", "field", "message"),
        [
            ({"url": "ftp://x"}, "url", "A URL must start with https:// or http://."),
            ({"subscriber": "acme"}, "subscriber", "There is no such field."),
            ({"state": "paused"}, "state", "There is no such field."),
            ({"event_types": ["a b"]}, "event_types", None),
            ({"channels": ["a b"]}, "channels", None),
            ({"channels": None}, "channels", "This field may not be null."),
            ({"payload_format": "xml"}, "payload_format", "xml is unknown: write one of data, full, thin."),
            ({"retry_schedule": [0]}, "retry_schedule", "0 is no delay: write a number of seconds from 1 to 604800."),
            ({"timeout": 16}, "timeout", "Write a whole number of seconds from 1 to 15, or leave it empty."),
            ({"timeout": "5"}, "timeout", "A valid integer is required."),
            ({"timeout": 1.5}, "timeout", "A valid integer is required."),
            ({"metadata": {"a": 1}}, "metadata", "The value of 'a' must be a text."),
            ({"signature_schemes": ["md5"]}, "signature_schemes", None),
            ({"headers": {"Host": "x"}}, "headers", None),
        ],
    )
    def test_that_does_not_fit_changes_nothing(
        self, api: ApiClient, wrong: dict[str, Any], field: str, message: str | None
    ):
        endpoint = EndpointFactory()
        before = api.get(f"endpoints/{endpoint.id}/").json()
        response = patch(api, endpoint, description="another", **wrong)
        assert (response.status_code, [each["field"] for each in response.json()["errors"]]) == (400, [field])
        if message:
            assert response.json()["errors"][0]["message"] == message
        assert api.get(f"endpoints/{endpoint.id}/").json() == before
        assert audited() == []

    def test_with_another_url_lets_the_endpoint_prove_itself_again(self, api: ApiClient, settings: Settings):
        settings.WEBHOOKS = replace(settings.WEBHOOKS, ownership_challenge=True)
        endpoint = EndpointFactory()
        assert patch(api, endpoint, url="https://other.example/").json()["state"] == "unverified"

    def test_keeps_an_endpoint_with_certificates_on_https(self, api: ApiClient):
        endpoint = EndpointFactory()
        endpoint.set_tls({"ca_certificate": pem(trustme.CA())}, by=PLATFORM)
        message = "The endpoint has TLS settings of its own: take them away, or keep https."
        assert_refused(patch(api, endpoint, url="http://receiver.example/"), "url", message)


class TestMoving:
    @pytest.mark.parametrize(
        ("before", "action", "after"),
        [
            ("active", "pause", "paused"),
            ("paused", "resume", "active"),
            ("active", "disable", "disabled"),
            ("paused", "disable", "disabled"),
            ("disabled", "enable", "active"),
        ],
    )
    def test_goes_from_state_to_state(self, api: ApiClient, before: str, action: str, after: str):
        endpoint = EndpointFactory(state=before)
        response = api.post(f"endpoints/{endpoint.id}/{action}/", {})
        assert (response.status_code, response.json()["state"]) == (200, after)
        assert response.json()["state_changed_at"] is not None
        assert audited() == [(f"{action}d", [])]

    @pytest.mark.parametrize(
        ("state", "action", "detail"),
        [
            ("paused", "pause", "Only an endpoint that is active or unverified can be paused. This one is paused."),
            ("active", "resume", "Only an endpoint that is paused can be resumed. This one is active."),
            ("disabled", "resume", "Only an endpoint that is paused can be resumed. This one is disabled."),
            ("active", "enable", "Only an endpoint that is disabled can be enabled. This one is active."),
            (
                "disabled",
                "disable",
                "Only an endpoint that is active or unverified or paused can be disabled. This one is disabled.",
            ),
        ],
    )
    def test_from_another_state_is_a_conflict(self, api: ApiClient, state: str, action: str, detail: str):
        endpoint = EndpointFactory(state=state)
        assert_problem(api.post(f"endpoints/{endpoint.id}/{action}/", {}), 409, "Conflict", detail, {})
        endpoint.refresh_from_db()
        assert endpoint.state == state
        assert audited() == []

    def test_tells_why(self, api: ApiClient):
        endpoint = EndpointFactory()
        told = api.post(f"endpoints/{endpoint.id}/pause/", {"reason": "They move their servers."})
        assert told.json()["state_reason"] == "They move their servers."
        assert api.post(f"endpoints/{endpoint.id}/resume/", {}).json()["state_reason"] == ""
        untold = api.post(f"endpoints/{endpoint.id}/disable/", {})
        assert untold.json()["state_reason"].startswith("Disabled by API key")

    def test_takes_no_other_fields_and_no_long_reason(self, api: ApiClient):
        endpoint = EndpointFactory()
        path = f"endpoints/{endpoint.id}/pause/"
        assert_refused(api.post(path, {"because": ""}), "because", "There is no such field.")
        message = "Ensure this field has no more than 200 characters."
        assert_refused(api.post(path, {"reason": "x" * 201}), "reason", message)

    def test_makes_what_still_owes_an_answer_unverified(self, api: ApiClient, settings: Settings):
        settings.WEBHOOKS = replace(settings.WEBHOOKS, ownership_challenge=True)
        endpoint = EndpointFactory(state=EndpointState.PAUSED, must_verify=True)
        assert api.post(f"endpoints/{endpoint.id}/resume/", {}).json()["state"] == "unverified"


class TestDeleting:
    def test_makes_an_endpoint_one_that_nobody_finds(self, api: ApiClient):
        endpoint, other = EndpointFactory(), EndpointFactory()
        response = api.send("DELETE", f"endpoints/{endpoint.id}/", "")
        assert (response.status_code, response.content) == (204, b"")
        for method, path in [("GET", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "secrets/"), ("POST", "pause/")]:
            assert api.send(method, f"endpoints/{endpoint.id}/{path}", "{}").status_code == 404
        assert [row["id"] for row in api.get("endpoints/").json()["results"]] == [other.id]
        assert audited() == [("deleted", [])]

    def test_takes_all_that_is_secret_away(self, api: ApiClient):
        endpoint = EndpointFactory()
        EndpointCredentialsFactory(endpoint=endpoint)
        CustomHeadersFactory(endpoint=endpoint)
        api.send("DELETE", f"endpoints/{endpoint.id}/", "")
        gone = Endpoint.with_deleted.get()
        assert not gone.signing_secrets.exists()
        assert not hasattr(gone, "credentials")
        assert not hasattr(gone, "custom_headers")

    def test_is_for_whom_the_endpoint_belongs_to(self, api: ApiClient):
        acme, endpoint = SubscriberFactory(), EndpointFactory()
        theirs = ApiClient.with_new_key(Scope.SUBSCRIBER, acme)
        assert theirs.send("DELETE", f"endpoints/{endpoint.id}/", "").status_code == 404
        reader = ApiClient.with_new_key(Scope.READ)
        assert reader.send("DELETE", f"endpoints/{endpoint.id}/", "").status_code == 403


class TestTheNewestSecret:
    def test_is_shown_and_that_is_written_down(self, api: ApiClient):
        endpoint = EndpointFactory()
        newest = api.post(f"endpoints/{endpoint.id}/secret/rotate/", {}).json()
        response = api.post(f"endpoints/{endpoint.id}/secret/", {})
        assert response.json() == {"id": newest["id"], "secret": newest["secret"]}
        assert response.headers["Cache-Control"] == "no-store"
        assert AuditEntry.objects.filter(action="revealed", object_id=newest["id"]).count() == 1

    def test_is_missing_where_none_signs(self, api: ApiClient):
        endpoint = EndpointFactory(secret=None)
        detail = "This endpoint has no valid signing secret. Rotate it to make one."
        assert_problem(api.post(f"endpoints/{endpoint.id}/secret/", {}), 409, "Conflict", detail, {})


class TestAList:
    def test_is_of_a_state(self, api: ApiClient):
        EndpointFactory()
        paused = EndpointFactory(state=EndpointState.PAUSED)
        assert [row["id"] for row in api.get("endpoints/", state="paused").json()["results"]] == [paused.id]

    def test_is_of_those_that_want_an_event_type(self, api: ApiClient):
        wanting = [
            EndpointFactory(event_types=types) for types in (["*", "invoice.*"], ["invoice.paid"], ["invoice.*"])
        ]
        EndpointFactory(event_types=["order.created"])
        found = api.get("endpoints/", event_type="invoice.paid").json()["results"]
        assert {row["id"] for row in found} == {endpoint.id for endpoint in wanting}
        assert len(found) == 3

    def test_is_not_of_what_is_no_event_type(self, api: ApiClient):
        assert api.get("endpoints/", event_type="invoice.*").status_code == 400
