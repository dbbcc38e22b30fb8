from django.contrib import admin

from subscriptions.admin.base import RecordAdmin, moment
from subscriptions.models import Subscriber


@admin.register(Subscriber)
class SubscriberAdmin(RecordAdmin[Subscriber]):
    list_display = ["name", "uid", "id", moment("created_at")]
    list_filter = ["created_at"]
    search_fields = ["name", "uid"]
    search_help_text = "Name, uid or id."
    id_lookups = {"sub": "pk", "ep": "endpoints"}
    fields = ["name", "uid", "rate_limit", "rate_period", "id", moment("created_at")]
    readonly_fields = ["id", moment("created_at")]
