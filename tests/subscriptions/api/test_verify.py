import pytest

from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import NOON, EndpointFactory


def test_an_unverified_endpoint_is_challenged_again(api: ApiClient):
    endpoint = EndpointFactory()
    endpoint.begin_challenge(now=NOON)
    endpoint.claim_challenge("a" * 64, now=NOON, lease=NOON - NOON)
    endpoint.fail_challenge("a" * 64, now=NOON, outcome="timeout", error="Too slow.", retry_in=None)
    failed = {"tries": 1, "tried_at": "2026-03-01T12:00:00Z", "outcome": "timeout", "error": "Too slow."}
    assert api.get(f"endpoints/{endpoint.id}/").json()["challenge"] == failed | {"next_try_at": None}

    response = api.post(f"endpoints/{endpoint.id}/verify/", {})
    assert response.status_code == 202
    endpoint.refresh_from_db()
    assert (endpoint.challenge_tries, endpoint.challenge_outcome) == (0, "")
    assert endpoint.challenge_due_at is not None
    assert response.json() == api.get(f"endpoints/{endpoint.id}/").json()


@pytest.mark.parametrize("state", ["active", "paused", "disabled"])
def test_others_are_not(api: ApiClient, state: str):
    endpoint = EndpointFactory(state=state)
    response = api.post(f"endpoints/{endpoint.id}/verify/", {})
    assert_problem(response, 409, "Conflict", f"Only an unverified endpoint is challenged. This one is {state}.", {})


def test_what_is_asked_wrongly_is_refused(api: ApiClient):
    endpoint = EndpointFactory()
    assert_refused(api.post(f"endpoints/{endpoint.id}/verify/", {"now": True}), "now", "There is no such field.")
    assert_problem(api.post("endpoints/ep_x/verify/", {}), 404, "Not Found", "There is no endpoint 'ep_x'.", {})
    assert ApiClient().post(f"endpoints/{endpoint.id}/verify/", {}).status_code == 401
    assert api.get(f"endpoints/{endpoint.id}/verify/").status_code == 405
