import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from dispatch.admin.delivery import DeliveryInline
from dispatch.admin.filters import Period, event_type, subscriber
from dispatch.admin.searching import SearchedList
from dispatch.admin.text import code
from dispatch.admin.why import WhyPage
from dispatch.models import Event
from dispatch.publish import PublishRefused, publish_event
from subscriptions.admin.base import moment
from subscriptions.admin.registering import RegisteringAdmin
from subscriptions.admin.subscriber_select import SubscriberSelect
from subscriptions.admin.typed import ModelForm


class PublishForm(ModelForm[Event]):
    data = forms.CharField(  # type: ignore[assignment]  # Django takes it off the class
        initial="{}",
        strip=False,
        help_text="JSON. It is sent as the request body.",
        widget=forms.Textarea(attrs={"rows": 12, "class": "vLargeTextField", "style": "font-family: monospace"}),
    )

    class Meta:
        model = Event
        fields = ["type", "subscriber"]
        widgets = {"subscriber": SubscriberSelect(Event._meta.get_field("subscriber"), admin.site)}

    def clean_data(self) -> Any:
        try:
            return json.loads(self.cleaned_data["data"])
        except ValueError as error:
            raise ValidationError(f"This is not JSON: {error}.") from error
        except RecursionError as error:
            raise ValidationError("This is nested too deep.") from error


@admin.register(Event)
class EventAdmin(SearchedList[Event], RegisteringAdmin[Event], WhyPage):
    """Events, which are published here too, but never changed or deleted."""

    list_display = ["id", "type", "subscriber", "idempotency_key", moment("created_at")]
    list_filter = [Period, event_type("type"), subscriber("subscriber")]
    list_select_related = ["subscriber"]
    search_fields = ["type__exact"]
    search_help_text = "Id of an event, delivery or subscriber, uid, idempotency key or event type."
    id_lookups = {"evt": "pk", "dlv": "deliveries", "sub": "subscriber"}
    fields = ["id", "type", "subscriber", "idempotency_key", moment("created_at"), "why", "data"]
    inlines = [DeliveryInline]
    add_form = PublishForm
    add_fields = ["type", "subscriber", "data"]

    def has_change_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("payload")

    @admin.display
    def data(self, event: Event) -> str:
        return code(json.dumps(json.loads(event.payload), ensure_ascii=False, indent=2))

    def register(self, request: HttpRequest, values: dict[str, Any]) -> Event:
        try:
            event = publish_event(values["type"], values["data"], subscriber=values["subscriber"]).event
        except PublishRefused as error:
            raise ValidationError({error.field: str(error)}) from error
        self.message_user(request, f"Published to {event.deliveries.count()} endpoints.", messages.SUCCESS)
        return event
