"""What a result means for its delivery. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

from dispatch.states import Outcome
from dispatch.transport import Result

# What a receiver answers that gets more than it copes with.
OVERLOADED = {429, 502, 503, 504}


class Verdict(NamedTuple):
    """How an attempt is judged. `retry_after` is in seconds from now. `at_once` wants no delay before the next."""

    outcome: Outcome
    error: str = ""
    final: bool = False
    slows_endpoint: bool = False
    retry_after: float | None = None
    at_once: bool = False


def classify(result: Result, now: datetime) -> Verdict:
    """Judge one result.

    2xx is success. 410 is final: the endpoint is gone. Everything else is tried again: other statuses,
    redirects (which are not followed), and whatever kept an answer from coming.
    """
    if result.failure is not None:
        return Verdict(result.failure, error=result.error, slows_endpoint=result.failure is Outcome.TIMEOUT)
    status = result.status_code or 0
    if 200 <= status < 300:
        return Verdict(Outcome.SUCCESS)
    if status == HTTPStatus.GONE:
        return Verdict(Outcome.ENDPOINT_GONE, error="The receiver answered 410: the endpoint is gone.", final=True)
    if result.is_token_worn_out:
        error = f"The receiver answered {status}: the access token is worn out. Another one is tried at once."
        return Verdict(Outcome.HTTP_ERROR, error=error, at_once=True)
    retry_after = parse_retry_after(result.headers.get("retry-after", ""), now)
    if 300 <= status < 400:
        return Verdict(
            Outcome.REDIRECT,
            error=f"The receiver answered {status}. Redirects are not followed: change the endpoint's URL.",
            retry_after=retry_after,
        )
    return Verdict(
        Outcome.HTTP_ERROR,
        error=f"The receiver answered {status}.",
        slows_endpoint=status in OVERLOADED,
        retry_after=retry_after,
    )


def parse_retry_after(text: str, now: datetime) -> float | None:
    """Read a `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date. None if it is neither.

    >>> parse_retry_after("120", datetime(2026, 1, 1, tzinfo=UTC))
    120.0
    >>> parse_retry_after("Thu, 01 Jan 2026 00:01:00 GMT", datetime(2026, 1, 1, tzinfo=UTC))
    60.0
    >>> parse_retry_after("soon", datetime(2026, 1, 1, tzinfo=UTC)) is None
    True
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
