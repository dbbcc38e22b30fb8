"""How the REST API is described in OpenAPI 3.1: what a view does not say itself is read off it here.

A method says what it takes and gives with `extend_schema(request=…, responses={201: …})` of drf-spectacular; only
reading a list or a single row is known from the view. `responses={…, 409: None}` names an error that only some have.
Everything that all views have in common is added: errors, headers, filters, and what the operation is called.
"""

import inspect
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from drf_spectacular.drainage import error
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from subscriptions.api import idempotency, problems
from subscriptions.api.base import Many, One, Single, View
from subscriptions.api.described import ProblemSerializer
from subscriptions.api.fields import AnyJsonField, IdField, SubscriberField
from subscriptions.api.pagination import NewestFirst
from subscriptions.api.serializers import Input
from subscriptions.models.idempotency import MAX_KEY_LENGTH

_WITH_BODY = {"POST", "PUT", "PATCH"}
_CHANGES = {"PUT", "PATCH", "DELETE"}
_IDEMPOTENCY_KEY = OpenApiParameter(
    idempotency.HEADER,
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    description="The same key and request again give the first answer again, without doing anything twice.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` that came with what you read: if it was changed since, nothing is done.",
)
_LIMIT = OpenApiParameter(NewestFirst.page_size_query_param, NewestFirst.SIZE, description="Rows a page.")
_ETAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200], description="Names this state, for `If-Match`."
)
_MEANINGS = {
    HTTPStatus.BAD_REQUEST: "The request is not right: `errors` says which fields, and why.",
    HTTPStatus.UNAUTHORIZED: "There is no API key, or it is not good any more.",
    HTTPStatus.FORBIDDEN: "The API key has not the scope that this needs.",
    HTTPStatus.NOT_FOUND: "There is no such thing, or the API key must not know of it.",
    HTTPStatus.NOT_ACCEPTABLE: "The answer is JSON, which `Accept` does not allow.",
    HTTPStatus.CONFLICT: "This cannot be done as things are.",
    HTTPStatus.PRECONDITION_FAILED: "It was changed since you read it: `If-Match` names another state.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The request body is not sent as JSON.",
    HTTPStatus.TOO_MANY_REQUESTS: "The API key has sent too many requests. `Retry-After` says when to go on.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database cannot be reached, or is busy. Try again.",
}


class Description(AutoSchema):
    """Describes the operations of a view."""

    def get_operation(self, *place: Any) -> Any:
        operation = super().get_operation(*place)
        if operation is None:
            return None
        responses = operation["responses"]
        statuses = {*self._problems(operation), *(HTTPStatus(int(code)) for code in responses if int(code) >= 400)}
        responses |= {str(int(status)): {"$ref": f"#/components/responses/{_name(status)}"} for status in statuses}
        self.resolve_serializer(ProblemSerializer, "response")
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def _problems(self, operation: dict[str, Any]) -> Iterator[HTTPStatus]:
        yield from (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.SERVICE_UNAVAILABLE)
        if isinstance(self.view, View):
            yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
            if self.method == "POST":
                # Another request with the same key, or the same one under way.
                yield HTTPStatus.CONFLICT
            if self._is_conditional():
                yield HTTPStatus.PRECONDITION_FAILED
        if "{" in self.path:
            yield HTTPStatus.NOT_FOUND
        if self.method in _WITH_BODY:
            yield from (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

    def get_request_serializer(self) -> Any:
        # Asked only where the method does not say it.
        if self.method in _WITH_BODY:
            error(f"{self.method} {self.path} does not say what it takes: extend_schema(request=…)")

    def get_response_serializers(self) -> Any:
        if self.method == "GET" and isinstance(self.view, Many | One):
            return super().get_response_serializers()
        error(f"{self.method} {self.path} does not say what it gives: extend_schema(responses={{…}})")
        return {}

    def get_override_parameters(self) -> list[Any]:
        parameters: list[Any] = []
        if self.method == "GET" and isinstance(self.view, View):
            if self.view.filters().fields:
                parameters.append(self.view.filters)
            if not isinstance(self.view, Many) and NewestFirst.page_size_query_param in self.view.page_parameters:
                parameters.append(_LIMIT)
        if self.method == "POST" and isinstance(self.view, View):
            parameters.append(_IDEMPOTENCY_KEY)
        if self._is_conditional():
            parameters.append(_IF_MATCH)
        if isinstance(self.view, Single) and self.method != "DELETE":
            parameters.append(_ETAG)
        return parameters

    def _is_conditional(self) -> bool:
        return self.method in _CHANGES and isinstance(self.view, View)

    def get_operation_id(self) -> str:
        words = [part.replace("-", "_") for part in self._tokenize_path()]
        verb = "list" if self._is_list_view() else self.method_mapping[self.method.lower()]
        # What is done to a thing is the last word of its address.
        is_action = self.method == "POST" and not isinstance(self.view, Many)
        return "_".join(words if is_action else [*words, verb])

    def get_description(self) -> str:  # type: ignore[override]  # so does drf-spectacular
        """Take what is written on the method, or on its view. What is written on a base is for whoever writes views."""
        view = type(self.view)
        return inspect.cleandoc(getattr(view, self.method.lower()).__doc__ or view.__doc__ or "")

    def get_summary(self) -> str:
        """Take the first sentence of what is written on the method, or on its view where its kind does not say it."""
        if written := getattr(type(self.view), self.method.lower()).__doc__:
            return str(inspect.cleandoc(written).partition("\n")[0].partition(". ")[0].rstrip("."))
        name = self._names_of_rows()
        if name and self.method == "GET" and isinstance(self.view, Many):
            return f"List {name[1]}"
        verb = {"GET": "Read", "PATCH": "Change", "DELETE": "Delete"}.get(self.method)
        if name and verb and isinstance(self.view, One):
            return f"{verb} one {name[0]}"
        if name and self.method == "POST" and isinstance(self.view, Many):
            return f"Create one {name[0]}"
        text = self.get_description()
        if not text:
            error(f"{self.method} {self.path} needs a docstring, on its method or view")
        return text.partition("\n")[0].partition(". ")[0].rstrip(".")

    def _names_of_rows(self) -> tuple[str, str] | None:
        queryset = getattr(self.view, "queryset", None)
        if queryset is None:
            return None
        meta = queryset.model._meta
        return str(meta.verbose_name), str(meta.verbose_name_plural)

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        mapped = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if isinstance(serializer, Input):
            mapped["additionalProperties"] = False
            self._free_of_ones_own(serializer, mapped)
        # What is written on a base is for whoever writes serializers.
        mapped.pop("description", None)
        if written := type(serializer).__doc__:
            mapped["description"] = inspect.cleandoc(written)
        return mapped

    def _free_of_ones_own(self, serializer: Input, mapped: dict[str, Any]) -> None:
        """Say who needs not name a subscriber. See `View.read`."""
        for name, field in serializer.fields.items():
            if isinstance(field, SubscriberField) and field.required:
                mapped["required"].remove(name)
                mapped["properties"][name]["description"] = "By id or uid. A key of one subscriber may leave it out."
        if mapped.get("required") == []:
            del mapped["required"]

    def _get_serializer_field_meta(self, field: Any, direction: Any) -> Any:
        meta = super()._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
        if isinstance(field.parent, Input) and isinstance(field, serializers.CharField) and not field.allow_blank:
            meta["minLength"] = 1
        if isinstance(field, IdField):
            meta["pattern"] = f"^{field.prefix}_[0-9a-v]{{25}}[048cgkos]$"
        if isinstance(field, serializers.ListField) and not field.allow_empty:
            meta["minItems"] = 1
        if isinstance(field, AnyJsonField) and field.shape is None:
            # Whatever JSON can say: null too.
            meta.pop("nullable", None)
        return meta


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # it registers itself
    target_class = "subscriptions.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer whk_…`."}


class AnyJsonShape(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # it registers itself
    target_class = "subscriptions.api.fields.AnyJsonField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        return dict(self.target.shape or {})


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what the operations' errors refer to. A hook of drf-spectacular."""
    schema = {"$ref": "#/components/schemas/Problem"}
    result["components"]["responses"] = {
        _name(status): {"description": meaning, "content": {problems.CONTENT_TYPE: {"schema": schema}}}
        for status, meaning in _MEANINGS.items()
    }
    return result


def _name(status: HTTPStatus) -> str:
    return status.phrase.replace(" ", "")
