"""The API's description: complete, what is committed, and shown with nothing from elsewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from subscriptions.api.schema_views import document

ROOT = Path(__file__).resolve().parents[3]
RUN_MAKE = "It is not up to date: run `make schema`."


def test_every_route_says_what_it_takes_and_gives():
    reset_generator_stats()
    with GENERATOR_STATS.silence():
        described = SchemaGenerator().get_schema(request=None, public=True)
    assert [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache] == []
    validate_schema(described)
    assert described["openapi"] == "3.1.1"


def test_null_is_a_type():
    """`nullable` is a word of OpenAPI 3.0, which means nothing in 3.1."""
    assert '"nullable"' not in document().decode()


def test_who_may_leave_the_subscriber_out_is_told():
    described = json.loads(document())
    told = "By id or uid. A key of one subscriber may leave it out."
    parameters = described["paths"]["/api/v1/events/feed/"]["get"]["parameters"]
    [parameter] = [each for each in parameters if each["name"] == "subscriber"]
    assert (parameter.get("required", False), parameter["description"]) == (False, told)
    endpoint = described["components"]["schemas"]["NewEndpoint"]
    assert "subscriber" not in endpoint["required"]
    assert endpoint["properties"]["subscriber"]["description"] == told


def test_errors_are_problems_everywhere():
    described = json.loads(document())
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            errors = {code: answer for code, answer in operation["responses"].items() if code >= "400"}
            assert {"400", "503"} <= errors.keys(), (method, path)
            assert all(set(answer) == {"$ref"} for answer in errors.values()), (method, path)
    answers = described["components"]["responses"].values()
    assert [list(answer["content"]) for answer in answers] == [["application/problem+json"]] * len(answers)


def test_the_committed_description_is_that_of_the_code():
    assert json.loads((ROOT / "docs/openapi.json").read_text()) == json.loads(document()), RUN_MAKE


def test_the_clients_types_are_made_from_the_description(tmp_path: Path):
    made = tmp_path / "models.py"
    command = [sys.executable, "-m", "datamodel_code_generator", "--profile", "client", "--output", str(made)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert "1(TypedDict)" not in made.read_text(), "Two things of the description have the same name."
    assert made.read_text() == (ROOT / "examples/client/models.py").read_text(), RUN_MAKE


class TestTheDescription:
    def test_needs_no_key(self):
        response = Client().get("/api/v1/schema/")
        assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
        assert response.content == document()


class TestThePage:
    def test_has_nothing_from_elsewhere(self):
        response = Client().get("/api/v1/docs/")
        links = re.findall(r'(?:src|href|data-schema)="([^"]*)"', response.content.decode())
        assert links
        assert [link for link in links if not link.startswith(("/static/", "/api/v1/schema/"))] == []
        assert "default-src 'none'; script-src 'self';" in response.headers["Content-Security-Policy"]

    @pytest.mark.django_db
    def test_gives_whoever_is_logged_in_the_token_for_changes(self):
        client = Client(enforce_csrf_checks=True)
        page = client.get("/api/v1/docs/").content.decode()
        assert re.search(r'data-csrf-token="\w{64}"', page)
        assert client.cookies["csrftoken"].value
