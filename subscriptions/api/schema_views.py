"""The API's description: for programs (OpenAPI), and for people (Swagger UI). Neither needs a key."""

import json
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

# Everything is our own and of this host. Swagger UI writes style attributes, and draws with images in its style sheet.
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


class Schema(APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(document(), content_type="application/json")


@method_decorator(ensure_csrf_cookie, name="dispatch")
class Docs(APIView):
    """Swagger UI. Whoever is logged in at the admin can try the API from it: hence the token of a form."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        page = render(request._request, "subscriptions/api_docs.html")
        page.headers["Content-Security-Policy"] = _POLICY
        return page


@cache
def document() -> bytes:
    """Describe every route in OpenAPI 3.1, as JSON."""
    generator: Any = SchemaGenerator  # which has no types
    described = generator().get_schema(request=None, public=True)
    return json.dumps(described, ensure_ascii=False, indent=2).encode() + b"\n"
