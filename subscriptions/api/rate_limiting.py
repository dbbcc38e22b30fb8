"""What callers are told of their rate limit: in headers (draft-ietf-httpapi-ratelimit-headers), and with a 429."""

from http import HTTPStatus

from django.conf import settings
from rest_framework.exceptions import APIException

from subscriptions import rate_limits
from subscriptions.models import ApiKey


class TooManyRequests(APIException):
    status_code = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "too_many_requests"

    def __init__(self, count: rate_limits.Count) -> None:
        super().__init__(
            f"This API key may send {count.limit} requests a minute. Send this one again in {count.resets_in} seconds."
        )
        # DRF makes it the `Retry-After` header.
        self.wait = count.resets_in


def limit(api_key: ApiKey | None, headers: dict[str, str]) -> None:
    """Count a request of `api_key`, if it has a limit, and say in `headers` how it stands.

    Raises `TooManyRequests`.
    """
    if api_key is None:
        return
    allowed = settings.WEBHOOKS.api_rate_limit if api_key.rate_limit is None else api_key.rate_limit
    if not allowed or (count := rate_limits.count(api_key.pk, allowed)) is None:
        return
    headers["RateLimit-Policy"] = f'"default";q={count.limit};w={rate_limits.WINDOW}'
    headers["RateLimit"] = f'"default";r={max(0, count.left)};t={count.resets_in}'
    if count.left < 0:
        raise TooManyRequests(count)
