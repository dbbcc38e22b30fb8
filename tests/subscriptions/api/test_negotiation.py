import pytest

from tests.api_client import ApiClient


@pytest.mark.parametrize("accepted", ["*/*", "application/json", "text/html, */*;q=0.8", "application/*"])
def test_json_is_given_to_whoever_takes_it(api: ApiClient, accepted: str):
    api._headers["Accept"] = accepted
    answer = api.get("subscribers/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


def test_whoever_takes_no_json_is_told_so(api: ApiClient):
    api._headers["Accept"] = "text/html"
    assert api.get("subscribers/").status_code == 406
