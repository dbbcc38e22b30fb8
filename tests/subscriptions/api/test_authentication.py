import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from subscriptions.models import ApiKey
from tests.api_client import ApiClient, assert_problem
from tests.factories import NOON

UNKNOWN = (
    "There is no such API key, or it was revoked or has expired. "
    "Make one in the admin or with `manage.py create_api_key NAME`."
)


def test_without_a_key_the_answer_says_how_to_send_one(db: None):
    response = ApiClient().get("subscribers/")
    assert_problem(
        response, 401, "Unauthorized", "Send an API key in the header `Authorization: Bearer whk_…`.", errors={}
    )
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["", "whk_wrong", "Bearer", "whk_a b", "é"])
def test_a_wrong_key_is_refused(db: None, key: str):
    response = ApiClient(key).get("subscribers/")
    assert_problem(response, 401, "Unauthorized", UNKNOWN, errors={})
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_key_is_refused(db: None):
    api_key, text = ApiKey.objects.generate("CI")
    client = ApiClient(text)
    assert client.get("subscribers/").status_code == 200
    api_key.revoke(NOON)
    assert_problem(client.get("subscribers/"), 401, "Unauthorized", UNKNOWN, errors={})


def test_the_word_bearer_may_be_written_in_any_case(api: ApiClient):
    api._headers = {"Authorization": api._headers["Authorization"].replace("Bearer", "bearer")}
    assert api.get("subscribers/").status_code == 200


def test_a_wrong_key_writes_nothing(api: ApiClient):
    assert ApiClient("whk_wrong").post("subscribers/", {"name": "Acme"}).status_code == 401
    assert api.get("subscribers/").json()["results"] == []


def routes(resolver: URLResolver) -> list[URLPattern]:
    found: list[URLPattern] = []
    for part in resolver.url_patterns:
        found += routes(part) if isinstance(part, URLResolver) else [part]
    return found


def test_every_route_but_those_of_health_and_description_wants_a_key(db: None):
    views = {
        route.callback.cls.__name__: route.callback.cls
        for route in routes(get_resolver())
        if hasattr(route.callback, "cls")
    }
    assert len(views) >= 12
    open_to_all = {name for name, view in views.items() if view.permission_classes == ()}
    assert open_to_all == {"Docs", "EgressIps", "Live", "Ready", "Schema"}
