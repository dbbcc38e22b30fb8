from django.db import models

from dispatch.models.feed_position import FeedPosition
from subscriptions import patterns
from subscriptions.fields import PublicIdField
from subscriptions.models import Subscriber


class Event(models.Model):
    """Something that happened, with its payload. Written once and never changed."""

    id = PublicIdField("evt")
    type = models.CharField(max_length=patterns.MAX_LENGTH)
    subscriber = models.ForeignKey(
        Subscriber,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        help_text="Whom it is for. Empty: for all.",
    )
    payload = models.TextField(help_text="The exact JSON text that is sent.")
    channels = models.JSONField(default=list, help_text="Endpoints with channels get it if they name one of these.")
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)
    ordering_key = models.CharField(
        max_length=200,
        blank=True,
        db_default="",
        help_text="Ordered endpoints get events with the same key one after another.",
    )
    created_at = models.DateTimeField()
    deliver_after = models.DateTimeField(null=True, blank=True, help_text="Nothing is sent before. Empty: at once.")
    feed_position = models.BigIntegerField(
        db_default=FeedPosition(), editable=False, help_text="Orders the feed: see dispatch.feed."
    )
    fan_out_after = models.UUIDField(
        null=True,
        editable=False,
        help_text="The endpoint whose delivery came last, while there are more to come. Empty once all are there.",
    )

    class Meta:
        constraints = [
            # Also serves the look-up of the first event with a key.
            models.UniqueConstraint(
                "idempotency_key",
                condition=models.Q(idempotency_key__isnull=False),
                name="dispatch_event_idempotency_key_unique",
            ),
        ]
        indexes = [
            # Serves lists of one event type, newest first.
            models.Index("type", "id", name="dispatch_event_type"),
            # Serves the feed, and lists of one subscriber's events.
            models.Index("subscriber", "feed_position", "id", name="dispatch_event_feed"),
            # Serves outbox.unfinished_events.
            models.Index("id", name="dispatch_event_fan_out", condition=models.Q(fan_out_after__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
