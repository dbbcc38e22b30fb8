"""What a client accepts: nearly always JSON or anything, which needs no reading of weights and parameters."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_COMMON = {"*/*", "application/json"}


class MostlyJson(DefaultContentNegotiation):
    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Any:
        if (
            format_suffix is None
            and request.META.get("HTTP_ACCEPT", "*/*") in _COMMON
            and not request.META["QUERY_STRING"]
        ):
            first = next(iter(renderers))
            return first, first.media_type
        return super().select_renderer(request, renderers, format_suffix)
