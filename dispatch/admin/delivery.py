from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from dispatch.admin.attempt import AttemptInline
from dispatch.models import Delivery, Event
from subscriptions.admin.base import NotDeletedHere, PartInline, ReadOnly, moment
from subscriptions.admin.typed import BaseInlineFormSet
from subscriptions.models import Subscriber

_SHOWN = 100
_STATE = ["status", "attempt_count", "last_outcome", "last_status_code", moment("next_attempt_at")]


class _FirstRows(BaseInlineFormSet[Delivery, Event, Any]):
    """The first deliveries of an event, which may have gone to every endpoint there is."""

    def get_queryset(self) -> Any:
        if not hasattr(self, "_first"):
            self._first = list(super().get_queryset()[:_SHOWN])
        return self._first


class DeliveryInline(ReadOnly, PartInline[Delivery, Event]):
    model = Delivery
    can_delete = False
    formset = _FirstRows
    verbose_name_plural = f"deliveries (the first {_SHOWN}; search the deliveries for the event's id to see all)"
    readonly_fields = ["endpoint", *_STATE, moment("finished_at")]
    fields = [*readonly_fields]
    ordering = ["pk"]
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).select_related("endpoint")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, NotDeletedHere[Delivery]):
    list_display = [
        moment("created_at"),
        "status",
        "event__type",
        "subscriber",
        "endpoint",
        "attempt_count",
        "last_outcome",
        "last_status_code",
        moment("next_attempt_at"),
    ]
    list_filter = ["status", "last_outcome", "created_at"]
    list_select_related = ["event", "endpoint__subscriber"]
    search_fields = ["event__type__exact"]
    search_help_text = "Event type, or the id of a delivery, event, endpoint or subscriber."
    id_lookups = {"dlv": "pk", "evt": "event", "ep": "endpoint", "sub": "endpoint__subscriber"}
    fieldsets = [
        (None, {"fields": ["id", "event", "endpoint"]}),
        ("State", {"fields": [*_STATE, "note", moment("created_at"), moment("finished_at")]}),
        (
            "Claim",
            {"fields": ["claimed_by", moment("claimed_at"), moment("lease_expires_at")], "classes": ["collapse"]},
        ),
    ]
    inlines = [AttemptInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).defer("event__payload")

    @admin.display(ordering="endpoint__subscriber__name")
    def subscriber(self, delivery: Delivery) -> Subscriber:
        return delivery.endpoint.subscriber
