from django.contrib import admin
from django.http import HttpRequest

from subscriptions.admin.base import ReadOnly, RecordAdmin, moment
from subscriptions.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, RecordAdmin[AuditEntry]):
    """Who changed what. Nobody changes or deletes it here."""

    list_display = [moment("created_at"), "action", "object_type", "object_id", "actor", "client_address"]
    list_filter = ["action", "object_type", "created_at"]
    search_fields = ["actor"]
    search_help_text = "The actor, or the id of an object or of the endpoint that it belongs to."
    id_lookups = {
        "aud": "pk",
        "ep": "endpoint",
        **dict.fromkeys(("ety", "key", "sec", "sub", "tls"), "object_id"),
    }
    ordering = ["-id"]
    fields = [
        moment("created_at"),
        "actor",
        "client_address",
        "action",
        "object_type",
        "object_id",
        "fields",
        "endpoint",
        "detail",
        "id",
    ]

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False
