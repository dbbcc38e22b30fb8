import dataclasses
import logging
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client
from pytest_django import Settings

from subscriptions.models import Subscriber
from tests.api_client import PROBLEM, ApiClient, assert_problem, assert_refused
from tests.factories import EndpointFactory


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("name=Acme", "Expecting value: line 1 column 1 (char 0)"),
        ('{"name": NaN}', "NaN is not a JSON number"),
        ('{"name": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"name": "\xff"}', "'utf-8' codec can't decode byte 0xff in position 10: invalid start byte"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_reason(api: ApiClient, body: str | bytes, reason: str):
    response = api.send("POST", "subscribers/", body)
    assert_problem(response, 400, "Bad Request", f"The request body is not JSON: {reason}.", errors={})
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize("body", ["[]", '"Acme"', "5", "null", "true"])
def test_a_body_that_is_not_an_object_is_refused(api: ApiClient, body: str):
    response = api.send("POST", "subscribers/", body)
    assert_problem(response, 400, "Bad Request", "Send a JSON object.", errors={})


def test_half_a_surrogate_pair_can_be_complained_about(api: ApiClient):
    response = api.send("POST", "endpoints/", '{"\\ud800": 1, "secret_kind": "\\ud800"}')
    assert response.status_code == 400
    errors = response.json()["errors"]
    assert {"field": "\\ud800", "pointer": "#/%5Cud800", "message": "There is no such field."} in errors
    assert {
        "field": "secret_kind",
        "pointer": "#/secret_kind",
        "message": "\\ud800 is unknown: write one of shared, ed25519.",
    } in errors


def test_an_error_points_to_its_place_in_the_body(api: ApiClient):
    body = {"url": 1, "event_types": ["a.b", 2], "a/b~c d": 3, "tls": {"wrong": 4}}
    errors = api.post("endpoints/", body).json()["errors"]
    assert [(error["field"], error["pointer"]) for error in errors] == [
        ("url", "#/url"),
        ("event_types.1", "#/event_types/1"),
        ("subscriber", "#/subscriber"),
        ("tls.wrong", "#/tls/wrong"),
        ("a/b~c d", "#/a~1b~0c%20d"),
    ]


@pytest.mark.parametrize("path", ["subscribers/", "endpoints/{}/", "endpoints/{}/secrets/"])
def test_an_unknown_parameter_is_refused_everywhere(api: ApiClient, path: str):
    path = path.format(EndpointFactory().id)
    assert_refused(api.get(path, nothing="1"), "nothing", "There is no such field.")
    assert_refused(api.get(path, format="json"), "format", "There is no such field.")


def test_a_body_has_no_parameters_beside_it(api: ApiClient):
    response = api.post("subscribers/?limit=1", {"name": "Acme"})
    assert response.json()["errors"] == [{"field": "limit", "message": "There is no such field."}]
    assert not Subscriber.objects.exists()


def test_a_parameter_is_written_once(api: ApiClient):
    assert_refused(api.get("endpoints/?limit=1&limit=2"), "limit", "Write it once.")


@pytest.mark.parametrize(
    ("error", "status"), [(Http404(), 404), (PermissionDenied(), 403), (Subscriber.DoesNotExist(), 404)]
)
def test_djangos_own_refusals_are_problems_too(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
):
    def refuse(**_: Any) -> None:
        raise error

    monkeypatch.setattr(Subscriber.objects, "register", refuse)
    response = api.post("subscribers/", {"name": "Acme"})
    assert (response.status_code, response.headers["Content-Type"]) == (status, PROBLEM)
    assert response.json()["status"] == status


def test_no_body_is_an_empty_object(api: ApiClient):
    assert_refused(api.send("POST", "subscribers/", ""), "name", "This field is required.")


def test_nesting_ends_somewhere(api: ApiClient):
    for depth in (101, 100_000):
        response = api.send("POST", "subscribers/", "[" * depth + "]" * depth)
        assert_problem(response, 400, "Bad Request", "The request body is nested deeper than 100 levels.", errors={})
    deepest = api.send("POST", "subscribers/", "[" * 100 + "]" * 100)
    assert_problem(deepest, 400, "Bad Request", "Send a JSON object.", errors={})


def test_a_form_is_answered_with_what_to_send(api: ApiClient):
    response = api.send("POST", "subscribers/", "name=Acme", "application/x-www-form-urlencoded")
    detail = "Send JSON, with the header `Content-Type: application/json`."
    assert_problem(response, 415, "Unsupported Media Type", detail, errors={})


def test_a_body_over_the_limit_is_413(api: ApiClient, settings: Settings):
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, payload_limit=1000)
    limit = 3 * 1000 + 65536
    body = '{"name": "Acme"}'.ljust(limit)
    assert api.send("POST", "subscribers/", body).status_code == 201
    response = api.send("POST", "subscribers/", body + " ")
    assert response.status_code == 413
    assert response.headers["Content-Type"] == PROBLEM
    assert response.json()["detail"] == "The request body is larger than 68536 bytes. Send a link instead of the data."
    assert Subscriber.objects.count() == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_method_that_is_not_there_is_405(api: ApiClient, method: str):
    assert_problem(
        api.send(method, "subscribers/", "{}"), 405, "Method Not Allowed", f'Method "{method}" not allowed.', errors={}
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_is_not_there_is_404(api: ApiClient, method: str):
    detail = "There is nothing at /api/v1/nothing/."
    assert_problem(api.send(method, "nothing/", "{}"), 404, "Not Found", detail, errors={})


def test_a_forgotten_slash_is_pointed_out_instead_of_losing_the_body_in_a_redirect(api: ApiClient):
    detail = "There is nothing at /api/v1/subscribers. Addresses end with a slash."
    assert_problem(api.send("POST", "subscribers", "{}"), 404, "Not Found", detail, errors={})


def test_an_unknown_host_is_400():
    response = Client().get("/api/v1/subscribers/", headers={"Host": "elsewhere.example"})
    detail = "The request cannot be served. Its Host header may be wrong."
    assert_problem(response, 400, "Bad Request", detail, errors={})


def test_html_is_not_on_offer(api: ApiClient):
    api._headers["Accept"] = "text/html"
    response = api.get("subscribers/")
    assert (response.status_code, response.headers["Content-Type"]) == (406, PROBLEM)


def test_what_nobody_expected_is_500_without_a_stack_trace(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(**_: Any) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr(Subscriber.objects, "register", fail)
    with caplog.at_level(logging.ERROR, "django.request"):
        response = api.post("subscribers/", {"name": "Acme"})
    detail = "Something went wrong here. The server's log says what."
    assert_problem(response, 500, "Internal Server Error", detail, errors={})
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_pages_that_are_not_the_apis_keep_djangos_own_errors(db: None):
    for path, status in (("/nothing/", 404), ("/admin/", 400)):
        host = "elsewhere.example" if status == 400 else "localhost"
        response = Client().get(path, headers={"Host": host})
        assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
