"""Request bodies: JSON of a bounded size and depth."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

# Many clients escape what is not ASCII: two bytes of UTF-8 become the six of \u00e9.
_BODY_BYTES_PER_PAYLOAD_BYTE = 3
# For everything in a body beside the payload.
_ROOM = 64 * 1024
_MAX_DEPTH = 100
_TOO_DEEP = f"The request body is nested deeper than {_MAX_DEPTH} levels."


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = "The request body is too large."


class JsonBody(JSONParser):
    """Reads a body as JSON. DRF's own parser reads without a limit and fails on deep nesting."""

    def limit(self) -> int:
        """Say how many bytes a body may have."""
        return body_limit()

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit = self.limit()
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge(f"The request body is larger than {limit} bytes. Send a link instead of the data.")
        try:
            data = json.loads(body.decode(), parse_constant=_refuse_constant)
        except ValueError as error:
            raise ParseError(f"The request body is not JSON: {error}.") from error
        except RecursionError as error:
            raise ParseError(_TOO_DEEP) from error
        # What can just be read from here could perhaps not be written from further down the stack.
        if _is_nested_deeper_than(_MAX_DEPTH, data):
            raise ParseError(_TOO_DEEP)
        return data


class LargeJsonBody(JsonBody):
    """Reads a body with many events."""

    def limit(self) -> int:
        """Say how many bytes a body may have."""
        return int(settings.WEBHOOKS.batch_limit)


def body_limit() -> int:
    """Say how many bytes a request body may have, if it does not hold many events."""
    return _BODY_BYTES_PER_PAYLOAD_BYTE * int(settings.WEBHOOKS.payload_limit) + _ROOM


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _is_nested_deeper_than(depth: int, data: Any) -> bool:
    level = [data]
    for _ in range(depth):
        if not level:
            return False
        level = [
            part
            for whole in level
            if isinstance(whole, dict | list)
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
    return any(isinstance(part, dict | list) for part in level)
