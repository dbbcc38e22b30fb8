from collections.abc import Collection

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from dispatch.admin.delivery_verbs import DeliveryVerbs
from dispatch.admin.filters import DeliveryCodeClass, Period, endpoint, event_type, subscriber
from dispatch.admin.links import endpoint_link, link
from dispatch.admin.searching import SearchedList
from dispatch.models import Delivery
from subscriptions.admin.base import ReadOnly, moment

_STATE = ["status", "attempt_count", "last_outcome", "last_status_code", moment("next_attempt_at")]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, DeliveryVerbs, SearchedList[Delivery]):
    list_display = [
        moment("created_at"),
        "status",
        "event_type",
        "subscriber",
        "endpoint_url",
        "attempt_count",
        "last_outcome",
        "last_status_code",
        moment("next_attempt_at"),
    ]
    list_filter = [
        Period,
        "status",
        "last_outcome",
        DeliveryCodeClass,
        event_type("event__type"),
        subscriber("endpoint__subscriber"),
        endpoint("endpoint"),
    ]
    unserved = ("last_outcome__exact", "code")
    list_select_related = ["event", "endpoint__subscriber"]
    search_fields = ["event__type__exact"]
    search_help_text = "Id of a delivery, event, endpoint or subscriber, uid, idempotency key or event type."
    list_before_template = "admin/dispatch/delivery/bulk_buttons.html"
    id_lookups = {"dlv": "pk", "evt": "event", "ep": "endpoint", "sub": "endpoint__subscriber"}
    fieldsets = [
        (None, {"fields": ["id", "event", "endpoint"]}),
        ("State", {"fields": [*_STATE, "note", moment("created_at"), moment("finished_at")]}),
        (
            "Claim",
            {"fields": ["claimed_by", moment("claimed_at"), moment("lease_expires_at")], "classes": ["collapse"]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).defer("event__payload")

    def unserved_among(self, used: Collection[str]) -> Collection[str]:
        # What has a status is found by it, and what an endpoint has by that, but not both at once.
        is_of_some = not {"endpoint", "subscriber"}.isdisjoint(used)
        return {*super().unserved_among(used), *({"status__exact"}.intersection(used) if is_of_some else ())}

    @admin.display
    def event_type(self, delivery: Delivery) -> SafeString:
        return link(delivery.event, delivery.event.type)

    @admin.display
    def subscriber(self, delivery: Delivery) -> SafeString:
        return link(delivery.endpoint.subscriber, delivery.endpoint.subscriber.name)

    @admin.display(description="endpoint")
    def endpoint_url(self, delivery: Delivery) -> SafeString:
        return endpoint_link(delivery.endpoint)
