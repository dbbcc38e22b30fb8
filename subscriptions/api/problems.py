"""Errors of the API as `application/problem+json` (RFC 9457)."""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from subscriptions.encryption import EncryptionError

CONTENT_TYPE = "application/problem+json"
_API_PATH = "/api/"
_WITH_BODY = {"POST", "PUT", "PATCH"}
_OF_THE_WHOLE = {NON_FIELD_ERRORS, str(api_settings.NON_FIELD_ERRORS_KEY)}

log = logging.getLogger(__name__)


class Conflict(exceptions.APIException):
    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"


class InvalidParameter(exceptions.ValidationError):
    """A query parameter or a header is wrong."""

    of_body = False


class Unavailable(exceptions.APIException):
    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"
    # DRF makes it the `Retry-After` header.
    wait = 5


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Build the body of an error. `errors` says which fields are wrong, and why."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "errors": errors or [],
    }


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of an API view. None leaves it to Django, which logs it and calls `server_error`."""
    known = _known(error)
    response = exception_handler(known, context)
    if response is None or not isinstance(known, exceptions.APIException):
        return response
    # What is wrong with a query or a header is nowhere in the body.
    points_into_body = context["request"].method in _WITH_BODY and getattr(known, "of_body", True)
    response.data = body_of(known, pointers=points_into_body)
    response.content_type = CONTENT_TYPE
    return response


def body_of(error: exceptions.APIException, *, pointers: bool = False) -> dict[str, Any]:
    """Build the body that tells of `error`. `pointers` says where in the request's body each field stands."""
    found = [(".".join(path), path, message) for path, message in _messages(error.detail)]
    return problem(
        error.status_code,
        " ".join(f"{field}: {message}" if field else message for field, _, message in found),
        [
            {"field": field, **({"pointer": _pointer(path)} if pointers else {}), "message": message}
            for field, path, message in found
            if field
        ],
    )


def _pointer(path: tuple[str, ...]) -> str:
    """Write a JSON pointer as the fragment of a URI (RFC 6901, section 6)."""
    return "#" + "".join("/" + quote(part.replace("~", "~0").replace("/", "~1"), safe="~") for part in path)


def _known(error: Exception) -> Exception:
    match error:
        case ModelValidationError():
            by_field = hasattr(error, "error_dict")
            return exceptions.ValidationError(error.message_dict if by_field else error.messages)
        case OperationalError() | InterfaceError():
            log.error("The database did not answer: %s", error)
            return Unavailable(
                "The database cannot be reached or is busy. Try again in a moment; "
                "if it stays so, check that it runs and that DATABASE_URL is right."
            )
        case EncryptionError():
            log.error("A secret cannot be read or stored: %s", error)
            return Unavailable(
                "A secret cannot be read or stored with the encryption keys that the dispatcher has. Its log says more."
            )
        case Http404():
            return exceptions.NotFound()
        case ObjectDoesNotExist():
            # It was found, and deleted before it was locked.
            return exceptions.NotFound("It is not there any more: somebody deleted it just now.")
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case exceptions.NotAuthenticated():
            error.detail = exceptions.ErrorDetail("Send an API key in the header `Authorization: Bearer whk_…`.")
        case exceptions.UnsupportedMediaType():
            error.detail = exceptions.ErrorDetail("Send JSON, with the header `Content-Type: application/json`.")
    return error


def _messages(detail: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Walk through an exception's detail. Yields paths to fields, such as event_types and 0, and what is wrong."""
    if isinstance(detail, dict):
        for key, part in detail.items():
            name = () if key in _OF_THE_WHOLE or key == "" else (_writable(str(key)),)
            yield from _messages(part, path + name)
    elif isinstance(detail, list):
        for part in detail:
            yield from _messages(part, path)
    else:
        yield path, _writable(str(detail))


def _writable(text: str) -> str:
    # JSON can say half of a surrogate pair, and a message may repeat it, but UTF-8 cannot.
    return text.encode(errors="backslashreplace").decode()


def _answer(status: int, detail: str) -> HttpResponse:
    return JsonResponse(problem(status, detail), status=status, content_type=CONTENT_TYPE)


@csrf_exempt
def unknown_address(request: HttpRequest) -> HttpResponse:
    """Answer every address below /api/ that no other route took."""
    hint = "" if request.path.endswith("/") else " Addresses end with a slash."
    return _answer(HTTPStatus.NOT_FOUND, f"There is nothing at {request.path}.{hint}")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refused before it reached a view, such as an unknown host."""
    if not request.path.startswith(_API_PATH):
        return defaults.bad_request(request, exception)
    return _answer(HTTPStatus.BAD_REQUEST, "The request cannot be served. Its Host header may be wrong.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception that nobody expected. It is in the log of the web server."""
    if not request.path.startswith(_API_PATH):
        return defaults.server_error(request)
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here. The server's log says what.")
