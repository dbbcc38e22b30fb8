"""Filters of the long lists. Each is served by an index, or bounded by the time limit of a list."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import TextFilter

from dispatch.models import Delivery
from dispatch.selection import first_id
from subscriptions.admin.base import is_id
from subscriptions.models import Subscriber

PERIODS: Mapping[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
_CODE_CLASSES = {"2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx", "none": "No answer"}


class Period(admin.SimpleListFilter):
    """When the row was written, by its id, which begins with the time."""

    title = "time"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        if name is None or name not in PERIODS:
            return queryset
        since = timezone.now() - PERIODS[name][1]
        return queryset.filter(pk__gte=first_id(_prefix(queryset.model), since))


class CodeClass(admin.SimpleListFilter):
    """The first digit of the answer's status code."""

    title = "status code"
    parameter_name = "code"
    field: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(_CODE_CLASSES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen not in _CODE_CLASSES:
            return queryset
        if chosen == "none":
            return queryset.filter(**{f"{self.field}__isnull": True})
        least = int(chosen) * 100
        return queryset.filter(**{f"{self.field}__gte": least, f"{self.field}__lt": least + 100})


class DeliveryCodeClass(CodeClass):
    field = "last_status_code"


class AttemptCodeClass(CodeClass):
    field = "status_code"


class _Text(TextFilter):  # type: ignore[misc]  # Unfold has no types
    lookup: ClassVar[str]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()
        if not text:
            return queryset
        if (wanted := self.read(text)) is None:
            messages.error(request, f"There is no {self.title.partition(' (')[0]} {text!r}.")
            return queryset.none()
        return queryset.filter(**{self.lookup: wanted})

    def read(self, text: str) -> str | None:
        """Return what is filtered by, or None if there is no such thing."""
        raise NotImplementedError


class _EventType(_Text):
    title = "event type"
    parameter_name = "event_type"

    def read(self, text: str) -> str | None:
        return text


class _Subscriber(_Text):
    title = "subscriber (uid or id)"
    parameter_name = "subscriber"

    def read(self, text: str) -> str | None:
        found = Subscriber.objects.find(text)
        return found.pk if found else None


class _Endpoint(_Text):
    title = "endpoint (id)"
    parameter_name = "endpoint"

    def read(self, text: str) -> str | None:
        return text if is_id("ep", text) else None


# Of no more deliveries than these the attempts are found by their deliveries' ids; of more, by looking from the newest
# attempt on, of which enough are theirs. Left to itself, PostgreSQL does that also for those that have hardly any.
_FEW = 10_000


class _OfDeliveries(_Text):
    """Attempts for the deliveries that this filter lets through."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (self.value() or "").strip():
            return queryset
        deliveries = super().queryset(request, Delivery.objects.order_by("-pk"))
        few = list(deliveries.values_list("pk", flat=True)[: _FEW + 1])
        if len(few) <= _FEW:
            return queryset.filter(delivery__in=few)
        return queryset.filter(**{f"delivery__{self.lookup}": self.read((self.value() or "").strip())})


class AttemptsOfEndpoint(_OfDeliveries, _Endpoint):
    lookup = "endpoint"


class AttemptsOfSubscriber(_OfDeliveries, _Subscriber):
    lookup = "endpoint__subscriber"


def event_type(lookup: str) -> type[admin.ListFilter]:
    """Filter rows that have the event type at `lookup`."""
    return type("EventTypeFilter", (_EventType,), {"lookup": lookup})


def subscriber(lookup: str) -> type[admin.ListFilter]:
    """Filter rows that have the subscriber at `lookup`."""
    return type("SubscriberFilter", (_Subscriber,), {"lookup": lookup})


def endpoint(lookup: str) -> type[admin.ListFilter]:
    """Filter rows that have the endpoint at `lookup`."""
    return type("EndpointFilter", (_Endpoint,), {"lookup": lookup})


def _prefix(model: type[Model]) -> str:
    return str(model._meta.pk.prefix)  # type: ignore[attr-defined]  # all have a PublicIdField
