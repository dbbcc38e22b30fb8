import json
import socket
from typing import Any

import pytest

from subscriptions.payload_schemas import InvalidSchema, check_schema, problem_with

INVOICE = {
    "type": "object",
    "properties": {"amount": {"$ref": "#/$defs/amount"}},
    "required": ["amount"],
    "$defs": {"amount": {"type": "integer"}},
}
DRAFT_7 = {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"x": {"type": "string"}}}


@pytest.mark.parametrize("schema", [{}, INVOICE, DRAFT_7 | {"$ref": "#/definitions/x"}, {"properties": {"$ref": {}}}])
def test_a_schema_that_refers_to_itself_only_is_taken(schema: dict[str, Any]) -> None:
    check_schema(schema, size=1000)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (5, "Write a JSON Schema, which is an object."),
        (
            {"type": "objekt"},
            "This is not a JSON Schema, at $.type: 'objekt' is not valid under any of the given schemas",
        ),
        ({"pattern": "("}, "This is not a JSON Schema, at $.pattern: '(' is not a 'regex'"),
        ({"$schema": "urn:x"}, "'urn:x' is unknown: use https://json-schema.org/draft/2020-12/schema."),
        ({"$schema": 5}, "5 is unknown: use https://json-schema.org/draft/2020-12/schema."),
        (
            {"$ref": "http://127.0.0.1/x"},
            "'http://127.0.0.1/x' is not fetched: refer to the schema itself (#/$defs/…).",
        ),
        (
            {"items": {"$dynamicRef": "file:///x"}},
            "'file:///x' is not fetched: refer to the schema itself (#/$defs/…).",
        ),
        ({"$ref": "#/$defs/none"}, "There is no schema at '#/$defs/none' in it."),
        ({"$ref": "#/x", "x": {"type": 5}}, "There is no schema at '#/x' in it."),
        ({"$ref": "#/x", "x": 5}, "There is no schema at '#/x' in it."),
        ({"$defs": {"a": {"$id": "http://a.example/"}}}, "Only the whole schema can have an $id."),
        ({"$ref": "#"}, "The schema is nested too deep, or refers to itself without end."),
        ({"title": "x" * 1000}, "The schema is 1012 bytes as JSON, more than the 1000 that are allowed."),
    ],
)
def test_what_is_no_schema_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(InvalidSchema) as refused:
        check_schema(schema, size=1000)
    assert str(refused.value) == message


def test_nothing_is_ever_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address))
    with pytest.raises(InvalidSchema):
        check_schema({"$ref": "http://schemas.example/x"}, size=1000)
    assert asked == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"amount": 5}, None),
        ({"amount": "5"}, "At $.amount: '5' is not of type 'integer'"),
        ({}, "At $: 'amount' is a required property"),
        ([], "At $: [] is not of type 'object'"),
    ],
)
def test_data_that_does_not_fit_is_told_where_and_why(data: Any, problem: str | None) -> None:
    assert problem_with(data, json.dumps(INVOICE)) == problem


def test_a_long_text_is_not_repeated_whole() -> None:
    assert len(str(problem_with("x" * 10_000, '{"type": "integer"}'))) < 320
