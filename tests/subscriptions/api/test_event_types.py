import json
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from subscriptions.models import AuditEntry, EventType
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import NOON, EndpointFactory, EventTypeFactory


def test_an_event_type_is_created_and_read_by_name(api: ApiClient):
    response = api.post("event-types/", {"name": "invoice.paid", "description": "An invoice was paid."})
    event_type = EventType.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": event_type.id,
        "name": "invoice.paid",
        "description": "An invoice was paid.",
        "group": "",
        "schema": None,
        "enforce_schema": False,
        "example": None,
        "archived": False,
        "archived_at": None,
        "created_at": event_type.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert api.get("event-types/invoice.paid/").json() == response.json()


def test_a_name_can_be_taken_once(api: ApiClient):
    EventTypeFactory(name="invoice.paid")
    assert_refused(
        api.post("event-types/", {"name": "invoice.paid"}), "name", "Event type with this Name already exists."
    )
    assert EventType.objects.count() == 1


def test_a_wrong_name_is_refused(api: ApiClient):
    assert_refused(
        api.post("event-types/", {"name": "invoice paid"}),
        "name",
        "'invoice paid' is not an event type: write words of letters, digits, '_' and '-' with dots between them, "
        "such as invoice.paid, at most 128 characters.",
    )
    assert not EventType.objects.exists()


def test_a_name_that_does_not_exist_is_404(api: ApiClient):
    assert_problem(
        api.get("event-types/invoice.paid/"), 404, "Not Found", "There is no event type 'invoice.paid'.", errors={}
    )


@pytest.mark.parametrize("text", ["%00", "a%20b", "é"])
def test_a_text_that_is_no_name_is_404(api: ApiClient, text: str):
    assert api.get(f"event-types/{text}/").status_code == 404


def test_event_types_are_listed_in_two_statements(api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries):
    for name in ("invoice.paid", "order.created", "user.deleted"):
        EventTypeFactory(name=name)
    with django_assert_num_queries(2):
        page = api.get("event-types/").json()
    assert [row["name"] for row in page["results"]] == ["user.deleted", "order.created", "invoice.paid"]


SCHEMA = {"type": "object", "required": ["amount"]}


def patch(api: ApiClient, **body: Any) -> Any:
    return api.send("PATCH", "event-types/invoice.paid/", json.dumps(body))


def test_an_event_type_is_changed(api: ApiClient):
    EventTypeFactory(name="invoice.paid")
    body = {
        "description": "Paid.",
        "group": "Billing",
        "schema": SCHEMA,
        "enforce_schema": True,
        "example": {"amount": 5},
        "archived": True,
    }
    response = patch(api, **body)
    assert response.status_code == 200
    assert response.json() == api.get("event-types/invoice.paid/").json()
    assert {name: response.json()[name] for name in body} == body
    assert response.json()["archived_at"] is not None
    assert AuditEntry.objects.get().fields == sorted(body.keys() - {"archived"} | {"archived_at"})
    assert patch(api, archived=False).json()["archived_at"] is None


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"name": "invoice.sent"}, "name", "There is no such field."),
        (
            {"schema": {"$ref": "http://x/y"}},
            "schema",
            "'http://x/y' is not fetched: refer to the schema itself (#/$defs/…).",
        ),
        ({"enforce_schema": True}, "enforce_schema", "There is no schema that data could have to fit."),
        (
            {"schema": SCHEMA, "example": {}},
            "example",
            "The example does not fit the schema. At $: 'amount' is a required property",
        ),
        ({"example": "x" * 65536}, "example", "The example is more than the 65536 bytes that are allowed."),
        ({"archived": None}, "archived", "This field may not be null."),
    ],
)
def test_a_change_that_does_not_fit_is_refused(api: ApiClient, body: dict[str, Any], field: str, message: str):
    EventTypeFactory(name="invoice.paid")
    before = api.get("event-types/invoice.paid/").json()
    assert_refused(patch(api, group="Billing", **body), field, message)
    assert api.get("event-types/invoice.paid/").json() == before


def test_an_event_type_is_deleted_unless_an_endpoint_asks_for_it_by_name(api: ApiClient):
    EventTypeFactory(name="invoice.paid")
    endpoint = EndpointFactory(event_types=["invoice.paid", "invoice.*"])
    detail = "Endpoints that ask for invoice.paid by name: 1. Archive it instead, or change them first."
    assert_problem(api.send("DELETE", "event-types/invoice.paid/", ""), 409, "Conflict", detail, {})
    endpoint.set_event_types(["invoice.*"])
    assert api.send("DELETE", "event-types/invoice.paid/", "").status_code == 204
    assert not EventType.objects.exists()
    assert AuditEntry.objects.get().action == "deleted"


def test_event_types_are_listed_by_group_and_archived(api: ApiClient):
    EventTypeFactory(name="invoice.paid", group="Billing")
    EventTypeFactory(name="invoice.sent", group="Billing", archived_at=NOON)
    EventTypeFactory(name="user.deleted")

    def found(**query: str) -> list[str]:
        return [row["name"] for row in api.get("event-types/", **query).json()["results"]]

    assert found(group="Billing") == ["invoice.sent", "invoice.paid"]
    assert found(archived="true") == ["invoice.sent"]
    assert found(group="Billing", archived="false") == ["invoice.paid"]
