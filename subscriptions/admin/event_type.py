from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from subscriptions.admin.base import actor_of, moment
from subscriptions.admin.removing import RemovingAdmin
from subscriptions.models import EventType


@admin.register(EventType)
class EventTypeAdmin(RemovingAdmin[EventType]):
    list_display = ["name", "group", "description", moment("archived_at"), moment("created_at")]
    list_filter = [("archived_at", admin.EmptyFieldListFilter), "created_at"]
    search_fields = ["name", "group", "description"]
    id_lookups = {"ety": "pk"}
    fields = [
        "name",
        "description",
        "group",
        "schema",
        "enforce_schema",
        "example",
        "id",
        moment("archived_at"),
        moment("created_at"),
    ]
    actions = ["archive", "bring_back"]

    def get_readonly_fields(self, request: HttpRequest, obj: EventType | None = None) -> list[Any]:
        # Endpoints and events know a type by its name.
        return [*([] if obj is None else ["name"]), "id", moment("archived_at"), moment("created_at")]

    def in_the_way(self, row: EventType) -> str | None:
        return row.use

    def remove(self, request: HttpRequest, row: EventType) -> None:
        row.remove(by=actor_of(request))

    @admin.action(description="Archive: none of its events can be published", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[EventType]) -> None:
        self._set_archived(request, queryset, True)

    @admin.action(description="Bring back from the archive", permissions=["change"])
    def bring_back(self, request: HttpRequest, queryset: QuerySet[EventType]) -> None:
        self._set_archived(request, queryset, False)

    def _set_archived(self, request: HttpRequest, queryset: QuerySet[EventType], archived: bool) -> None:
        event_types = list(queryset)
        for event_type in event_types:
            event_type.change({"archived": archived}, now=timezone.now(), by=actor_of(request))
        done = "Archived" if archived else "Brought back"
        self.message_user(request, f"{done}: {len(event_types)}.", messages.SUCCESS)
