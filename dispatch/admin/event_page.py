"""What stands above an event's fields: where its deliveries are, in what order things happened, and who got nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache

from dispatch.admin.delivery_page import pretty
from dispatch.models import Attempt, Delivery, Event
from dispatch.models.delivery import STATUS_CHOICES
from dispatch.states import FINAL
from dispatch.why import why_not
from subscriptions.admin.base import RecordAdmin
from subscriptions.models import Endpoint

# Deliveries, attempts and endpoints without a delivery that are shown.
_SHOWN = 50
_LABELS = dict(STATUS_CHOICES)


@dataclass(frozen=True, slots=True)
class Step:
    """An attempt, and how long after the event was published it began."""

    attempt: Attempt
    endpoint: Endpoint
    after: str


def arrivals(event: Event) -> dict[str, Any]:
    """Gather what changes while the event arrives."""
    found = list(Delivery.objects.filter(event=event).select_related("endpoint").order_by("pk")[: _SHOWN + 1])
    deliveries = found[:_SHOWN]
    attempts = Attempt.objects.filter(delivery__in=[each.pk for each in deliveries]).order_by("started_at", "pk")
    endpoints = {each.pk: each.endpoint for each in deliveries}
    counted = Counter(each.status for each in deliveries)
    return {
        "event": event,
        "deliveries": deliveries,
        "has_more": len(found) > _SHOWN or event.fan_out_after is not None,
        "counts": [(status, label, counted[status]) for status, label in _LABELS.items() if counted[status]],
        "is_over": event.fan_out_after is None and FINAL.issuperset(counted),
        "steps": [
            Step(each, endpoints[each.delivery_id], _duration(event.created_at, each.started_at))
            for each in attempts.defer("response_headers", "response_body")[:_SHOWN]
        ],
    }


def unsent(event: Event) -> Sequence[tuple[Endpoint, str]]:
    """Say of endpoints that have no delivery why not: of the event's subscriber, if it is for one."""
    has_delivery = Delivery.objects.filter(event=event, endpoint=OuterRef("pk"))
    endpoints = Endpoint.objects.filter(~Exists(has_delivery)).prefetch_related("event_type_patterns").order_by("pk")
    if event.subscriber_id is not None:
        endpoints = endpoints.filter(subscriber=event.subscriber_id)
    return [(endpoint, why_not(event, endpoint).sentence) for endpoint in endpoints[:_SHOWN]]


class EventPage(RecordAdmin[Event]):
    """Adds this to the admin of events, and what a page that is open asks for again and again."""

    change_form_template = "admin/dispatch/event/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(never_cache(self.arrivals))
        return [path("<path:object_id>/arrivals/", view, name="dispatch_event_arrivals"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = dict(extra_context or {})
        event = self.get_object(request, unquote(object_id))
        if event is not None and self.has_view_permission(request, event):
            seen = arrivals(event)
            # Of one that went to very many nobody looks through those that it did not go to.
            shown |= seen | {"payload": pretty(event.payload), "unsent": [] if seen["has_more"] else unsent(event)}
        return super().change_view(request, object_id, form_url, shown)

    def arrivals(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer the part of the page that changes."""
        event = self.get_object(request, unquote(object_id))
        if event is None:
            raise Http404
        if not self.has_view_permission(request, event):
            raise PermissionDenied
        return TemplateResponse(request, "admin/dispatch/event/arrivals.html", arrivals(event))


def _duration(start: datetime, end: datetime) -> str:
    """Write how long after `start` something was, in the unit that fits."""
    seconds = (end - start).total_seconds()
    for limit, unit, size in ((1, "ms", 0.001), (120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.{1 if unit == 's' else 0}f} {unit}"
    return f"{seconds / 86400:.0f} days"
