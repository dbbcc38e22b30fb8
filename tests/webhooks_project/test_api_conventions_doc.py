"""docs/api-conventions.md says what the API does."""

import json
from pathlib import Path

import pytest

from subscriptions.models import Action, Scope
from tests.api_client import ApiClient
from tests.factories import SubscriberFactory

TEXT = (Path(__file__).resolve().parents[2] / "docs/api-conventions.md").read_text()


def test_every_scope_stands_in_its_table():
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{scope.value}` | {scope.label} |" for scope in Scope]


@pytest.mark.django_db
def test_the_error_that_is_shown_is_what_is_answered():
    body = {"subscriber": SubscriberFactory().id, "url": "https://receiver.example/", "event_types": ["a.b", 2]}
    answer = ApiClient.with_new_key().post("endpoints/", body).json()
    shown = '{"type"' + TEXT.partition('{"type"')[2].partition("\n\n")[0]
    assert answer == json.loads(shown)


@pytest.mark.django_db
def test_the_filters_of_the_audit_log_are_all_there():
    [line] = [line for line in TEXT.splitlines() if "GET /api/v1/audit-log/" in line]
    filters = {part.partition("=")[0] for part in line.partition("?")[2].split("&")}
    values = {
        "action": Action.CREATED.value,
        "endpoint": "ep_06asqfjqg1tbp3ff04hkaps9lc",
        "created_after": "2026-03-01T12:00:00Z",
        "created_before": "2026-03-01T12:00:00Z",
    }
    query = {name: values.get(name, "x") for name in filters}
    assert len(query) == 7
    assert ApiClient.with_new_key().get("audit-log/", **query).status_code == 200
