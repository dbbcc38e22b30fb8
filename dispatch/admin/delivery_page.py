"""What stands above a delivery's fields: where it stands and why, its attempts as a timeline, and what one can do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dispatch import command_lines
from dispatch.models import Attempt, Delivery
from dispatch.states import DeliveryStatus, Outcome
from dispatch.why import why_of

# Attempts that are shown in full: more than any schedule has, but each can be asked for by hand.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Part:
    """One step of a request, as parts of the longest attempt's duration in per cent."""

    name: str
    milliseconds: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Shown:
    """An attempt as the timeline shows it."""

    attempt: Attempt
    is_success: bool
    parts: Sequence[Part]
    request_line: str
    request_headers: str
    request_body: str
    response_headers: str
    response_body: str
    curl: str


def pretty(text: str) -> str:
    """Write JSON over several lines, and anything else as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def timeline(delivery: Delivery) -> list[Shown]:
    """Gather the attempts, in their order."""
    attempts = list(Attempt.objects.filter(delivery=delivery).select_related("request_head").order_by("number")[:SHOWN])
    longest = max((attempt.duration_ms or 0 for attempt in attempts), default=0)
    for attempt in attempts:
        # With its event, which is the same for all.
        attempt.delivery = delivery
    return [_shown(attempt, longest or 1) for attempt in attempts]


def _shown(attempt: Attempt, longest: int) -> Shown:
    headers = command_lines.headers_of(attempt)
    head = attempt.request_head
    return Shown(
        attempt,
        attempt.outcome == Outcome.SUCCESS,
        list(_parts(attempt, longest)),
        f"POST {head.url}" if head else "",
        "\n".join(f"{name}: {value}" for name, value in (headers or {}).items()),
        pretty(command_lines.body_of(attempt, head).decode()) if head else "",
        "\n".join(f"{name}: {value}" for name, value in attempt.response_headers.items()),
        pretty(attempt.response_body),
        command_lines.as_sent(attempt) or "",
    )


def _parts(attempt: Attempt, longest: int) -> Sequence[Part]:
    """Lay the steps end to end. What none of them accounts for stands at the end."""
    known = [
        ("DNS", attempt.dns_ms),
        ("Connect", attempt.connect_ms),
        ("TLS", attempt.tls_ms),
        ("First byte", attempt.first_byte_ms),
    ]
    steps: list[tuple[str, int]] = [(name, took) for name, took in known if took is not None]
    rest = (attempt.duration_ms or 0) - sum(took for _, took in steps)
    if rest > 0:
        steps.append(("Rest", rest))
    parts, start = [], 0
    for name, took in steps:
        parts.append(Part(name, took, 100 * start / longest, min(100.0, 100 * took / longest)))
        start += took
    return parts


def context(delivery: Delivery, now: datetime, *, may_change: bool) -> dict[str, Any]:
    """Give the page's template what it shows."""
    is_over = delivery.status in (DeliveryStatus.DELIVERED, DeliveryStatus.SENDING)
    return {
        "why": why_of(delivery, delivery.endpoint, now=now).sentence,
        "timeline": timeline(delivery),
        "may_retry": may_change and not is_over,
        "may_cancel": may_change and delivery.status == DeliveryStatus.PENDING,
    }
