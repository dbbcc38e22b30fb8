"""`Idempotency-Key`: a POST that is sent twice is done once (draft-ietf-httpapi-idempotency-key-header).

The note of the key, what the request does and its answer are one transaction: whatever happens on the way, either
all of it is there or nothing. Only answers that say that something was done are remembered.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.problems import Conflict, InvalidParameter
from subscriptions.models.idempotency import MAX_KEY_LENGTH, IdempotentAnswer

HEADER = "Idempotency-Key"
META = "HTTP_IDEMPOTENCY_KEY"
REPLAYED = "Idempotency-Replayed"
_LOCK_NOT_AVAILABLE = "55P03"


class KeyUsedBefore(Conflict):
    of_body = False


class TwinUnderWay(Conflict):
    default_detail = "A request with this Idempotency-Key is under way. Send it again in a moment."
    # DRF makes it the `Retry-After` header.
    wait = 1


def once(handler: Callable[..., Response], owner: str, request: Request, *args: Any, **kwargs: Any) -> Response:
    """Have `handler` answer the request, or answer it as the first time.

    Raises `Conflict` where the key was used for another request, or is being used.
    """
    key, fingerprint = _key(request), _fingerprint(request)
    now = timezone.now()
    expired = now - timedelta(seconds=settings.WEBHOOKS.idempotency_lifetime)
    with transaction.atomic():
        try:
            claimed = IdempotentAnswer.objects.claim(
                owner=owner, key=key, fingerprint=fingerprint, now=now, expired=expired
            )
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise TwinUnderWay from error
        if claimed is None:
            return _again(IdempotentAnswer.objects.get(owner=owner, key=key), fingerprint)
        response = handler(request, *args, **kwargs)
        if response.status_code >= 400:
            transaction.set_rollback(True)
        else:
            IdempotentAnswer.objects.answer(claimed, _remembered(response))
    return response


def _key(request: Request) -> str:
    # A string of structured fields is in quotes. Most clients leave them out.
    text = request.META[META].strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not (0 < len(text) <= MAX_KEY_LENGTH and text.isascii() and text.isprintable()):
        raise InvalidParameter({HEADER: f"Write a key of 1 to {MAX_KEY_LENGTH} printable ASCII characters."})
    return str(text)


def _fingerprint(request: Request) -> str:
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    # Keyed, as a body may hold a secret that could be guessed.
    text = f"{request.method} {request.get_full_path()} {body}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), text, hashlib.sha256).hexdigest()


def _remembered(response: Response) -> dict[str, Any]:
    body = json.loads(JSONRenderer().render(response.data))
    return {"status": response.status_code, "body": body, "headers": dict(response.items())}


def _again(earlier: IdempotentAnswer, fingerprint: str) -> Response:
    if earlier.fingerprint != fingerprint:
        raise KeyUsedBefore({HEADER: f"The key {earlier.key!r} was used before, for another request."})
    kept = earlier.answer
    return Response(kept["body"], kept["status"], headers=kept["headers"] | {REPLAYED: "true"})
