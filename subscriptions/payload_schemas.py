"""JSON Schemas of event types: whether a text is one, and whether data fits it. Nothing is ever fetched for one."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, specification_with

_SHOWN = 300
# Of what is referred to, only the schema itself is known.
_NOTHING_ELSE: Registry[Any] = Registry()
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class InvalidSchema(ValueError):
    """What was given is not a JSON Schema that data can be checked with."""


def check_schema(schema: Any, *, size: int) -> None:
    """Raise `InvalidSchema` unless `schema` is a JSON Schema of at most `size` bytes that refers only to itself."""
    if not isinstance(schema, dict):
        raise InvalidSchema("Write a JSON Schema, which is an object.")
    length = len(json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass"))
    if length > size:
        raise InvalidSchema(f"The schema is {length} bytes as JSON, more than the {size} that are allowed.")
    kind = _kind(schema)
    try:
        kind.check_schema(schema)
        _check_references(schema, kind)
        # Whatever the data is, a schema that refers to itself without end is found by any.
        _problem(kind(schema, registry=_NOTHING_ELSE), None)
    except SchemaError as error:
        raise InvalidSchema(f"This is not a JSON Schema, at {error.json_path}: {error.message[:_SHOWN]}") from None
    except RecursionError:
        raise InvalidSchema("The schema is nested too deep, or refers to itself without end.") from None


def problem_with(data: Any, schema: str) -> str | None:
    """Say in a sentence why `data` does not fit, or None if it does. `schema` is JSON text that was checked."""
    try:
        return _problem(_validator(schema), data)
    except RecursionError:
        return "It is nested too deep."


@lru_cache(maxsize=256)
def _validator(text: str) -> Validator:
    schema = json.loads(text)
    return _kind(schema)(schema, registry=_NOTHING_ELSE)


def _problem(validator: Validator, data: Any) -> str | None:
    error = best_match(validator.iter_errors(data))
    return None if error is None else f"At {error.json_path}: {error.message[:_SHOWN]}"


def _kind(schema: dict[str, Any]) -> type[Validator]:
    if "$schema" not in schema:
        return Draft202012Validator
    named = schema["$schema"]
    found: Any = validator_for(schema, default=None) if isinstance(named, str) else None  # type: ignore[arg-type]
    if found is None:
        raise InvalidSchema(f"{named!r} is unknown: use https://json-schema.org/draft/2020-12/schema.")
    kind: type[Validator] = found
    return kind


def _check_references(schema: dict[str, Any], kind: type[Validator]) -> None:
    specification = specification_with(schema.get("$schema", ""), default=DRAFT202012)
    resolver = _NOTHING_ELSE.resolver_with_root(specification.create_resource(schema))
    for key, text in _strings(schema):
        if key == "$id" and text is not schema.get("$id"):
            raise InvalidSchema("Only the whole schema can have an $id.")
        if key in _REFERENCES:
            if not text.startswith("#"):
                raise InvalidSchema(f"{text[:_SHOWN]!r} is not fetched: refer to the schema itself (#/$defs/…).")
            try:
                kind.check_schema(resolver.lookup(text).contents)
            except (Unresolvable, ValueError, SchemaError):
                raise InvalidSchema(f"There is no schema at {text[:_SHOWN]!r} in it.") from None


def _strings(part: Any) -> Iterator[tuple[str, str]]:
    """Walk through all texts of a schema, with their keys."""
    if isinstance(part, dict):
        for key, value in part.items():
            if isinstance(value, str):
                yield key, value
            yield from _strings(value)
    elif isinstance(part, list):
        for value in part:
            yield from _strings(value)
