import json

from django.contrib import admin

from dispatch.admin.text import code
from dispatch.models import Mail, Notice
from subscriptions.admin.base import NotDeletedHere, ReadOnly, moment


@admin.register(Notice)
class NoticeAdmin(ReadOnly, NotDeletedHere[Notice]):
    """What operators were told of."""

    list_display = [moment("occurred_at"), "kind", "endpoint", "reason", "mail_state"]
    list_filter = ["kind", "mail_state", "occurred_at"]
    list_select_related = ["endpoint"]
    ordering = ["-id"]
    search_fields = ["cause__exact"]
    search_help_text = "Id of a notice, endpoint or subscriber, or a cause."
    id_lookups = {"ntc": "pk", "ep": "endpoint", "sub": "endpoint__subscriber"}
    readonly_fields = [
        "id",
        "kind",
        "cause",
        "reason",
        "endpoint",
        moment("occurred_at"),
        "mail_state",
        "mailed_on",
        "said",
    ]
    fields = [*readonly_fields]

    @admin.display(description="operational event")
    def said(self, notice: Notice) -> str:
        return code(json.dumps(notice.data, ensure_ascii=False, indent=2))


@admin.register(Mail)
class MailAdmin(ReadOnly, NotDeletedHere[Mail]):
    """Mails to operators and subscribers, with what became of them."""

    list_display = [moment("created_at"), "subject", "address", "tries", moment("sent_at"), "error"]
    list_filter = ["created_at"]
    ordering = ["-id"]
    search_fields = ["address__exact"]
    search_help_text = "Address, or the id of a mail."
    id_lookups = {"mail": "pk"}
    readonly_fields = [
        *("id", "address", "subject", "text", "tries", "error"),
        *map(moment, ("created_at", "due_at", "sent_at")),
    ]
    fields = [*readonly_fields]

    @admin.display(description="body")
    def text(self, mail: Mail) -> str:
        return code(mail.body)
