from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q

from subscriptions.fields import PublicIdField
from subscriptions.models import Endpoint
from subscriptions.notices import NoticeKind

KIND_CHOICES = [(kind.value, kind.value) for kind in NoticeKind]


class MailState(models.TextChoices):
    """What becomes of a notice where people are told by mail: `dispatch.mails` moves it.

    due -> mailed               (the first of its endpoint and cause on a day)
     |---> kept -> digested     (the others: once the day is over)
     |---> unasked              (nobody is told by mail)
    """

    DUE = "due", "To be mailed"
    MAILED = "mailed", "Mailed"
    KEPT = "kept", "Kept for the digest"
    DIGESTED = "digested", "Mailed in a digest"
    UNASKED = "unasked", "Nobody to mail to"


class Notice(models.Model):
    """Something that operators are told of. Written with what happened, in one transaction, by `dispatch.telling`."""

    id = PublicIdField("ntc")
    kind = models.CharField(max_length=40, choices=KIND_CHOICES)
    cause = models.CharField(max_length=40)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, null=True, related_name="notices", db_index=False)
    reason = models.CharField(max_length=300)
    data = models.JSONField(encoder=DjangoJSONEncoder, help_text="What operational events say of it.")
    occurred_at = models.DateTimeField()
    once = models.CharField(max_length=200, null=True, unique=True, help_text="No second one has the same text.")
    mail_state = models.CharField(max_length=10, choices=MailState.choices, default=MailState.DUE)
    mailed_on = models.DateField(null=True, help_text="The day of a mail about this endpoint and cause.")

    class Meta:
        indexes = [
            # Serves telling.tell: what was told of this endpoint last? And mails: was this told by mail today?
            models.Index("endpoint", "kind", "id", name="dispatch_notice_endpoint"),
            # Serves mails.write: what is to be mailed?
            models.Index("mail_state", "id", name="dispatch_notice_mail", condition=Q(mail_state__in=["due", "kept"])),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
