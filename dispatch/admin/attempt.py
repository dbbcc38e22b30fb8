from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from dispatch.admin.filters import AttemptCodeClass, AttemptsOfEndpoint, AttemptsOfSubscriber, Period, event_type
from dispatch.admin.links import endpoint_link, link
from dispatch.admin.searching import SearchedList
from dispatch.admin.text import code
from dispatch.models import Attempt
from subscriptions.admin.base import ReadOnly, moment

_AS_IT_WENT = ["outcome", "status_code", "error", moment("started_at"), "duration_ms", "remote_address", "worker"]


@admin.register(Attempt)
class AttemptAdmin(ReadOnly, SearchedList[Attempt]):
    list_display = [
        moment("started_at"),
        "outcome",
        "status_code",
        "event_type",
        "endpoint_url",
        "number",
        "duration_ms",
        "error",
    ]
    list_filter = [
        Period,
        "outcome",
        AttemptCodeClass,
        event_type("delivery__event__type"),
        AttemptsOfSubscriber,
        AttemptsOfEndpoint,
    ]
    unserved = ("outcome__exact", "code")
    list_select_related = ["delivery__event", "delivery__endpoint"]
    search_fields = ["delivery__event__type__exact"]
    search_help_text = "Id of an attempt, delivery, event, endpoint or subscriber, uid, idempotency key or event type."
    id_lookups = {
        "att": "pk",
        "dlv": "delivery",
        "evt": "delivery__event",
        "ep": "delivery__endpoint",
        "sub": "delivery__endpoint__subscriber",
    }
    readonly_fields = ["id", "delivery", "number", *_AS_IT_WENT, "headers_of_response", "body_of_response"]
    fields = [*readonly_fields]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).defer("delivery__event__payload")

    @admin.display
    def event_type(self, attempt: Attempt) -> SafeString:
        return link(attempt.delivery, attempt.delivery.event.type)

    @admin.display(description="endpoint")
    def endpoint_url(self, attempt: Attempt) -> SafeString:
        return endpoint_link(attempt.delivery.endpoint)

    @admin.display(description="response headers")
    def headers_of_response(self, attempt: Attempt) -> str:
        return code("\n".join(f"{name}: {value}" for name, value in attempt.response_headers.items()))

    @admin.display(description="response body")
    def body_of_response(self, attempt: Attempt) -> str:
        return code(attempt.response_body)
