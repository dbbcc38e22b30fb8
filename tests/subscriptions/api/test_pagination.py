import base64
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.api_client import ApiClient, assert_refused
from tests.factories import EndpointFactory, SubscriberFactory


def follow(api: ApiClient, address: str) -> Any:
    parts = urlsplit(address)
    return api.get(parts.path.removeprefix("/api/v1/"), **dict(parse_qsl(parts.query))).json()


def names(page: Any) -> list[str]:
    return [row["name"] for row in page["results"]]


def test_pages_lead_forth_and_back(api: ApiClient):
    for number in range(5):
        SubscriberFactory(name=str(number))
    first = api.get("subscribers/", limit="2").json()
    second = follow(api, first["next"])
    third = follow(api, second["next"])
    assert [names(page) for page in (first, second, third)] == [["4", "3"], ["2", "1"], ["0"]]
    assert (first["previous"], third["next"]) == (None, None)
    assert names(follow(api, third["previous"])) == ["2", "1"]
    assert names(follow(api, second["previous"])) == ["4", "3"]


def test_rows_that_are_added_meanwhile_move_nothing(api: ApiClient):
    for number in range(3):
        SubscriberFactory(name=str(number))
    first = api.get("subscribers/", limit="2").json()
    SubscriberFactory(name="new")
    assert names(first) == ["2", "1"]
    assert names(follow(api, first["next"])) == ["0"]


def test_filters_stay_on_the_next_page(api: ApiClient):
    acme = SubscriberFactory(uid="acme")
    mine = [EndpointFactory(subscriber=acme) for _ in range(2)]
    EndpointFactory()
    first = api.get("endpoints/", subscriber="acme", limit="1").json()
    second = follow(api, first["next"])
    assert [row["id"] for row in first["results"] + second["results"]] == [mine[1].id, mine[0].id]
    assert second["next"] is None


def test_a_page_has_50_rows_unless_told_otherwise_and_at_most_250(api: ApiClient):
    SubscriberFactory.create_batch(51)
    assert len(api.get("subscribers/").json()["results"]) == 50
    assert len(api.get("subscribers/", limit="250").json()["results"]) == 51


@pytest.mark.parametrize("limit", ["0", "251", "-1", "", "x", "1.5", "²", "٣", "9" * 5000])
def test_another_limit_is_refused(api: ApiClient, limit: str):
    assert_refused(api.get("subscribers/", limit=limit), "limit", "Write a number from 1 to 250.")


@pytest.mark.parametrize("inside", ["p=nothing", "p=evt_06asqfjqg1tbp3ff04hkaps9lc", "p=\x00", "o=-1", "r=x", "p=é"])
def test_a_cursor_of_ones_own_making_is_refused(api: ApiClient, inside: str):
    cursor = base64.b64encode(inside.encode()).decode()
    message = "Take the cursor from `next` or `previous` of a page."
    assert_refused(api.get("subscribers/", cursor=cursor), "cursor", message)


def test_a_cursor_that_is_no_cursor_is_refused(api: ApiClient):
    message = "Take the cursor from `next` or `previous` of a page."
    assert_refused(api.get("subscribers/", cursor="é"), "cursor", message)
