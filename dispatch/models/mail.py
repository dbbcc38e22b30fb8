from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q

from subscriptions.fields import PublicIdField

_ERROR_LENGTH = 500


class MailQuerySet(models.QuerySet["Mail"]):
    def due(self, now: datetime) -> "MailQuerySet":
        """Those that are to be sent now, and those whose sender was lost, the oldest first."""
        return self.filter(due_at__lte=now).order_by("due_at")


class Mail(models.Model):
    """A mail to one address, from when it is written until a mail server has taken it.

    due -> being sent -> sent
     ^         |-------> given up   (no try will follow; `error` says why)
     +---------+                    (failed, or its sender was lost: due again)

    Every move is a guarded UPDATE: a try is told by its number.
    """

    id = PublicIdField("mail")
    address = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(
        null=True, help_text="When the next try is due, or the one under way is taken for lost. Empty: at its end."
    )
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=_ERROR_LENGTH, blank=True, help_text="Why the last try failed.")

    objects = MailQuerySet.as_manager()

    class Meta:
        indexes = [
            # Serves MailQuerySet.due.
            models.Index("due_at", name="dispatch_mail_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.id

    def claim(self, *, now: datetime, lease: timedelta) -> bool:
        """Begin a try, which is mine for as long as `lease`. Say whether it is."""
        mine = Mail.objects.filter(pk=self.pk, tries=self.tries, due_at__lte=now)
        claimed = bool(mine.update(due_at=now + lease, tries=F("tries") + 1))
        self.tries += claimed
        return claimed

    def note_sent(self, now: datetime) -> None:
        """Note that a mail server has taken it."""
        self._mine().update(due_at=None, sent_at=now, error="")

    def note_failure(self, error: str, *, due_at: datetime | None) -> None:
        """Note why the try failed, and when the next is due, if one will follow."""
        self._mine().update(due_at=due_at, error=error[:_ERROR_LENGTH])

    def _mine(self) -> MailQuerySet:
        return Mail.objects.filter(pk=self.pk, tries=self.tries, due_at__isnull=False)
