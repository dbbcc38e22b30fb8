import pytest
from pytest_django import DjangoAssertNumQueries

from subscriptions.models import EventType
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import EventTypeFactory


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
