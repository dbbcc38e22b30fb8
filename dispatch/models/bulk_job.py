from django.db import models
from django.db.models import Q

from subscriptions.fields import PublicIdField
from subscriptions.models import Subscriber


class BulkAction(models.TextChoices):
    RETRY = "retry", "Retry"
    CANCEL = "cancel", "Cancel"


class BulkStatus(models.TextChoices):
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    STOPPED = "stopped", "Stopped"


class BulkJob(models.Model):
    """Many deliveries to be retried or cancelled, and how far that is. Its moves are made by `dispatch.bulk`."""

    id = PublicIdField("job")
    action = models.CharField(max_length=10, choices=BulkAction.choices)
    filters = models.JSONField(default=dict, help_text="Which deliveries were meant, as they were asked for.")
    subscriber = models.ForeignKey(
        Subscriber,
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        help_text="Whose key asked for it, if a subscriber's.",
    )
    status = models.CharField(max_length=10, choices=BulkStatus.choices, default=BulkStatus.RUNNING)
    asked_by = models.CharField(max_length=300)
    total = models.PositiveIntegerField(help_text="Deliveries that were meant when it was asked for.")
    changed = models.PositiveIntegerField(default=0, help_text="Deliveries that were retried or cancelled.")
    passed = models.PositiveIntegerField(default=0, help_text="Deliveries that were looked at.")
    after = models.UUIDField(null=True, editable=False, help_text="The delivery that was looked at last.")
    until = models.UUIDField(editable=False, help_text="Deliveries made later than this are not meant.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Serves bulk.run: which are to be gone on with?
            models.Index("id", name="dispatch_bulkjob_running", condition=Q(status="running")),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.id}"
