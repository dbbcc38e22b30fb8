from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from subscriptions.admin.base import RecordAdmin, moment
from subscriptions.models import EventType


@admin.register(EventType)
class EventTypeAdmin(RecordAdmin[EventType]):
    list_display = ["name", "description", moment("created_at")]
    list_filter = ["created_at"]
    search_fields = ["name", "description"]
    id_lookups = {"ety": "pk"}
    fields = ["name", "description", "id", moment("created_at")]

    def get_readonly_fields(self, request: HttpRequest, obj: EventType | None = None) -> list[Any]:
        # Endpoints and events know a type by its name.
        return [*([] if obj is None else ["name"]), "id", moment("created_at")]
