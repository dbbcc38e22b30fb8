"""ETags of single rows (RFC 9110, section 8.8.3), and what `If-Match` asks for (section 13.1.1)."""

import hashlib
import json
from http import HTTPStatus
from typing import Any

from django.utils.http import parse_etags
from rest_framework.exceptions import APIException
from rest_framework.request import Request


class PreconditionFailed(APIException):
    status_code = HTTPStatus.PRECONDITION_FAILED
    default_code = "precondition_failed"
    default_detail = "It was changed since you read it. Read it again, and send the ETag that comes with it."


def etag_of(*parts: Any) -> str:
    """Make a strong ETag: other parts have another one."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return f'"{hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]}"'


def check_match(request: Request, etag: str) -> None:
    """Raise `PreconditionFailed` if the request is for another state than that with this ETag."""
    header = request.headers.get("If-Match")
    if header is None:
        return
    wanted = parse_etags(header)
    if "*" not in wanted and etag not in wanted:
        raise PreconditionFailed
