"""What a list shows, as a bulk job takes it, and how a job's filters are shown."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from dispatch.admin.filters import PERIODS
from subscriptions.admin.base import is_id
from subscriptions.models import Endpoint, Subscriber

# Endpoints that a search may find: a job remembers each.
_MOST_FOUND = 1000


class CannotBeMeant(Exception):
    """A list shows what no job can mean. The message says why."""


def of_deliveries(query: QueryDict) -> dict[str, Any]:
    """Read the filters of the list of deliveries as a job takes them. Raises `CannotBeMeant`."""
    found: dict[str, Any] = {}
    for name, text in _given(query):
        match name:
            case "status__exact" | "last_outcome__exact":
                found["status" if name == "status__exact" else "outcome"] = text
            case "event_type":
                found["event_type"] = text
            case "period" if text in PERIODS:
                found["created_after"] = timezone.now() - PERIODS[text][1]
            case "code" if text in ("2", "3", "4", "5"):
                found["response_class"] = f"{text}xx"
            case "endpoint" if is_id("ep", text):
                found["endpoint"] = text
            case "subscriber" if subscriber := Subscriber.objects.find(text):
                found["subscriber"] = subscriber
            case "q" if is_id("evt", text):
                found["event"] = text
            case "before" | "after":
                pass
            case _:
                raise _cannot(name, text)
    return found


def of_endpoints(query: QueryDict, search: Callable[[str], QuerySet[Endpoint]]) -> dict[str, Any]:
    """Read the filters of the list of endpoints, or those `chosen`, as a job takes them. Raises `CannotBeMeant`."""
    found: dict[str, Any] = {}
    for name, text in _given(query):
        match name:
            case "state__exact":
                found["state"] = text
            case "period" if text in PERIODS:
                found["created_after"] = timezone.now() - PERIODS[text][1]
            case "subscriber" if subscriber := Subscriber.objects.find(text):
                found["subscriber"] = subscriber
            case "chosen":
                found["endpoints"] = [each for each in text.split(",") if is_id("ep", each)]
            case "q":
                found["endpoints"] = list(search(text).values_list("pk", flat=True)[: _MOST_FOUND + 1])
                if len(found["endpoints"]) > _MOST_FOUND:
                    raise CannotBeMeant(f"The search finds more than {_MOST_FOUND:,} endpoints. Filter instead.")
            case "o" | "p" | "all":
                pass
            case _:
                raise _cannot(name, text)
    return found


def shown(filters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write filters for people."""
    return [(name.replace("_", " "), _shown(value)) for name, value in filters.items()]


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, list):
        return f"{len(value)} that were chosen"
    return str(value)


def _given(query: QueryDict) -> list[tuple[str, str]]:
    given = [(name, str(value).strip()) for name, value in query.items()]
    return [(name, text) for name, text in given if text]


def _cannot(name: str, text: str) -> CannotBeMeant:
    return CannotBeMeant(f"The list is narrowed by {name}={text}, which this cannot do. Take that away.")
