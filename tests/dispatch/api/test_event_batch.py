import dataclasses

import pytest
from pytest_django import Settings

from dispatch.models import Delivery, Event
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import EndpointFactory


def test_each_event_is_answered_by_itself_and_in_its_place(api: ApiClient):
    EndpointFactory()
    events = [
        {"type": "invoice.paid", "data": {"n": 1}, "idempotency_key": "one"},
        {"type": "invoice paid", "data": {}},
        {"type": "invoice.paid", "data": {"n": 1}, "idempotency_key": "one"},
        {"type": "invoice.paid", "data": {"n": 2}, "idempotency_key": "one"},
        {"type": "invoice.paid", "data": 1, "colour": "red"},
        "no object",
        {"type": "order.made", "data": None},
    ]
    response = api.post("events/batch/", {"events": events})

    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["status"] for result in results] == [201, 400, 200, 409, 400, 400, 201]
    first, last = Event.objects.order_by("id")
    assert [results[place]["event"]["id"] for place in (0, 2, 6)] == [first.id, first.id, last.id]
    assert results[4]["errors"] == [{"field": "colour", "message": "There is no such field."}]
    assert results[5]["detail"] == "Send a JSON object."
    assert (Event.objects.count(), Delivery.objects.count()) == (2, 2)


@pytest.mark.parametrize("events", [[], [{}] * 1001, None, {"type": "invoice.paid"}])
def test_a_batch_holds_from_one_to_a_thousand_events(api: ApiClient, events: object):
    response = api.post("events/batch/", {"events": events})
    assert (response.status_code, Event.objects.count()) == (400, 0)


def test_a_batch_may_be_larger_than_other_bodies_but_not_without_end(api: ApiClient, settings: Settings):
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, payload_limit=100, batch_limit=70_000)
    event = {"type": "invoice.paid", "data": "x" * 90}
    assert api.post("events/batch/", {"events": [event] * 500}).status_code == 200
    assert Event.objects.count() == 500
    detail = "The request body is larger than 70000 bytes. Send a link instead of the data."
    response = api.post("events/batch/", {"events": [event] * 600})
    assert_problem(response, 413, "Request Entity Too Large", detail, {})


def test_unknown_fields_of_a_batch_are_refused(api: ApiClient):
    assert_refused(api.post("events/batch/", {"events": [{}], "event": 1}), "event", "There is no such field.")
