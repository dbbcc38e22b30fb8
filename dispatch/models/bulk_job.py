from django.db import models
from django.db.models import Q

from subscriptions.fields import PublicIdField
from subscriptions.models import Subscriber
from subscriptions.models.endpoint_moves import Move


class BulkAction(models.TextChoices):
    RETRY = "retry", "Retry"
    CANCEL = "cancel", "Cancel"
    PAUSE = "pause", "Pause"
    RESUME = "resume", "Resume"
    ENABLE = "enable", "Enable"
    DISABLE = "disable", "Disable"

    @property
    def move(self) -> Move | None:
        """What it does to endpoints, or None where it is about deliveries."""
        return Move(self.value) if self.value in set(Move) else None


class BulkStatus(models.TextChoices):
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    STOPPED = "stopped", "Stopped"


class BulkJob(models.Model):
    """Something done with many deliveries or endpoints, and how far that is. Its moves are made by `dispatch.bulk`."""

    id = PublicIdField("job")
    action = models.CharField(max_length=10, choices=BulkAction.choices)
    filters = models.JSONField(default=dict, help_text="Which were meant, as they were asked for.")
    subscriber = models.ForeignKey(
        Subscriber,
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        help_text="Whose key asked for it, if a subscriber's.",
    )
    status = models.CharField(max_length=10, choices=BulkStatus.choices, default=BulkStatus.RUNNING)
    asked_by = models.CharField(max_length=300)
    asked_from = models.GenericIPAddressField(null=True)
    total = models.PositiveIntegerField(help_text="Deliveries, or endpoints, that were meant when it was asked for.")
    changed = models.PositiveIntegerField(default=0, help_text="Those with which it was done.")
    passed = models.PositiveIntegerField(default=0, help_text="Those that were looked at.")
    failed = models.PositiveIntegerField(default=0, help_text="Endpoints with which it could not be done.")
    failures = models.JSONField(default=list, help_text="The first of those, each with its reason.")
    after = models.UUIDField(null=True, editable=False, help_text="Which was looked at last.")
    until = models.UUIDField(editable=False, help_text="What was made later than this is not meant.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Serves bulk.run: which are to be gone on with?
            models.Index("id", name="dispatch_bulkjob_running", condition=Q(status="running")),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.id}"
