"""Pages of a list, newest first, by a cursor that stays right while rows are added."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class NewestFirst(CursorPagination):
    """Orders by id, as ids order by time."""

    ordering = "-id"
    page_size = 50
    max_page_size = 250
    page_size_query_param = "limit"
    template = None
    # Described in JSON Schema.
    SIZE: ClassVar[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": max_page_size, "default": page_size}

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ModelValidationError) as error:
            # What is inside a cursor comes from the caller like any other value.
            raise ValidationError({"cursor": "Take the cursor from `next` or `previous` of a page."}) from error

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the query parameters of a page."""
        return [
            {"name": name, "in": "query", "required": False, "description": meaning, "schema": schema}
            for name, meaning, schema in (
                (self.cursor_query_param, "Which page, from `next` or `previous` of another.", {"type": "string"}),
                (self.page_size_query_param, "Rows a page.", self.SIZE),
            )
        ]

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        """Describe a page."""
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": address, "results": schema},
        }

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= self.max_page_size):
            raise ValidationError({self.page_size_query_param: f"Write a number from 1 to {self.max_page_size}."})
        return int(text)
