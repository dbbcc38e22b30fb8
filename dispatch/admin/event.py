from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from dispatch.admin.event_page import EventPage
from dispatch.admin.filters import Period, event_type, subscriber
from dispatch.admin.publishing import PublishPages
from dispatch.admin.searching import SearchedList
from dispatch.admin.why import WhyPage
from dispatch.models import Event
from subscriptions.admin.base import moment


@admin.register(Event)
class EventAdmin(SearchedList[Event], PublishPages, EventPage, WhyPage):
    """Events, which are published here too, but never changed or deleted."""

    list_display = ["id", "type", "subscriber", "idempotency_key", moment("created_at")]
    list_filter = [Period, event_type("type"), subscriber("subscriber")]
    list_select_related = ["subscriber"]
    search_fields = ["type__exact"]
    search_help_text = "Id of an event, delivery or subscriber, uid, idempotency key or event type."
    id_lookups = {"evt": "pk", "dlv": "deliveries", "sub": "subscriber"}
    readonly_fields = ["named_channels", "why"]
    fields = [
        "id",
        "type",
        "subscriber",
        "named_channels",
        "ordering_key",
        "idempotency_key",
        moment("created_at"),
        moment("deliver_after"),
        "why",
    ]

    @admin.display(description="channels")
    def named_channels(self, event: Event) -> str:
        return ", ".join(event.channels) or "-"

    def has_change_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("payload")
