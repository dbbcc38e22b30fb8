"""What is a number or a boolean in the description is one in JSON: what only looks like one is refused."""

import json
from typing import Any

import pytest

from tests.api_client import ApiClient, assert_refused
from tests.factories import EndpointFactory, EventTypeFactory

NUMBER, BOOLEAN = "A valid integer is required.", "Must be a valid boolean."


@pytest.mark.parametrize("field", ["timeout", "rate_limit", "max_in_flight"])
@pytest.mark.parametrize("wrong", ["7", True, 7.5, [7]])
def test_numbers_of_an_endpoint(api: ApiClient, field: str, wrong: Any):
    endpoint = EndpointFactory()
    assert_refused(api.send("PATCH", f"endpoints/{endpoint.id}/", json.dumps({field: wrong})), field, NUMBER)


@pytest.mark.parametrize("wrong", ["true", "yes", 1, 0, []])
def test_booleans(api: ApiClient, wrong: Any):
    endpoint, event_type = EndpointFactory(), EventTypeFactory()
    assert_refused(api.send("PATCH", f"endpoints/{endpoint.id}/", json.dumps({"ordered": wrong})), "ordered", BOOLEAN)
    assert_refused(
        api.send("PATCH", f"event-types/{event_type.name}/", json.dumps({"archived": wrong})), "archived", BOOLEAN
    )
    assert_refused(api.post("subscribers/", {"name": "Acme", "is_operator": wrong}), "is_operator", BOOLEAN)
    body = {"endpoint": endpoint.id, "dry_run": wrong}
    assert_refused(api.post("deliveries/cancel/", body), "dry_run", BOOLEAN)


def test_the_overlap_of_secrets(api: ApiClient):
    path = f"endpoints/{EndpointFactory().id}/secret/rotate/"
    assert_refused(api.post(path, {"overlap": "60"}), "overlap", NUMBER)
