import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from subscriptions.models import AuditEntry
from tests.api_client import ApiClient, assert_problem
from tests.factories import EndpointFactory

DETAIL = "It was changed since you read it. Read it again, and send the ETag that comes with it."


def put(api: ApiClient, path: str, body: Any, match: str | None) -> Any:
    api._headers.pop("If-Match", None)
    if match is not None:
        api._headers["If-Match"] = match
    return api.send("PUT", path, json.dumps(body))


def test_an_etag_stays_until_something_is_changed(api: ApiClient):
    endpoint = EndpointFactory()
    read = [api.get(f"endpoints/{endpoint.id}/").headers["ETag"] for _ in range(2)]
    assert read[0] == read[1]
    assert read[0].startswith('"')
    changed = put(api, f"endpoints/{endpoint.id}/headers/", {"headers": {"X-Tenant": "7"}}, None).headers["ETag"]
    assert changed != read[0]
    assert api.get(f"endpoints/{endpoint.id}/").headers["ETag"] == changed


def test_what_is_not_shown_changes_the_etag_too(api: ApiClient):
    endpoint = EndpointFactory()
    path = f"endpoints/{endpoint.id}/credentials/"
    first = put(api, path, {"credentials": {"kind": "bearer", "token": "one"}}, None)
    second = put(api, path, {"credentials": {"kind": "bearer", "token": "two"}}, None)
    assert first.content == second.content
    assert first.headers["ETag"] != second.headers["ETag"]


@pytest.mark.parametrize("path", ["headers", "credentials", "tls"])
def test_a_change_of_another_state_is_refused_and_of_the_current_one_made(api: ApiClient, path: str):
    endpoint = EndpointFactory()
    body: Any = {"headers": {"X-A": "1"}} if path == "headers" else {"credentials": None}
    address = f"endpoints/{endpoint.id}/{path}/"
    method, body = ("PATCH", {"client_key": None, "client_certificate": None}) if path == "tls" else ("PUT", body)
    read = address if path == "tls" else f"endpoints/{endpoint.id}/"
    current = api.get(read).headers["ETag"]
    for wrong in ('"other"', f"W/{current}", ""):
        api._headers["If-Match"] = wrong
        response = api.send(method, address, json.dumps(body))
        assert_problem(response, 412, "Precondition Failed", DETAIL, errors={})
    assert not AuditEntry.objects.exists()
    for right in ("{}", '"other", {}', "*"):
        api._headers["If-Match"] = right.format(current)
        response = api.send(method, address, json.dumps(body))
        assert response.status_code == 200
        current = response.headers["ETag"]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_change_the_same_state_exactly_one_wins():
    key = ApiClient.with_new_key()._headers["Authorization"].removeprefix("Bearer ")
    endpoint = EndpointFactory()
    etag = ApiClient(key).get(f"endpoints/{endpoint.id}/").headers["ETag"]
    started = threading.Barrier(8)

    def change(number: int) -> int:
        started.wait()
        try:
            body = {"headers": {"X-Number": str(number)}}
            return int(put(ApiClient(key), f"endpoints/{endpoint.id}/headers/", body, etag).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(change, range(8)))
    assert answers == [200] + [412] * 7
