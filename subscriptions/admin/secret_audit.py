from django.contrib import admin
from django.http import HttpRequest

from subscriptions.admin.base import ReadOnly, RecordAdmin, moment
from subscriptions.models import SecretAuditEntry


@admin.register(SecretAuditEntry)
class SecretAuditEntryAdmin(ReadOnly, RecordAdmin[SecretAuditEntry]):
    """Who did what with which secret. Nobody changes or deletes it here."""

    list_display = [moment("created_at"), "action", "secret", "actor"]
    list_filter = ["action", "created_at"]
    search_fields = ["actor"]
    search_help_text = "The actor, or the id of a secret or an endpoint."
    id_lookups = {"aud": "pk", "sec": "secret", "ep": "endpoint"}
    ordering = ["-id"]
    fields = [moment("created_at"), "actor", "action", "secret", "endpoint", "detail", "id"]

    def has_delete_permission(self, request: HttpRequest, obj: SecretAuditEntry | None = None) -> bool:
        return False
