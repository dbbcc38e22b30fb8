from typing import Any

from django.db import models

from dispatch.models.delivery import OUTCOME_CHOICES


class Period(models.TextChoices):
    MINUTE = "minute", "Minute"
    HOUR = "hour", "Hour"
    DAY = "day", "Day"


def _count() -> Any:
    return models.PositiveBigIntegerField(default=0)


class Rollup(models.Model):
    """How many attempts ended how within a minute, an hour or a day (UTC), and how long they took.

    Kept by `dispatch.rollups`. Minutes have rows of single endpoints only until they are added to their hour.
    """

    period = models.CharField(max_length=6, choices=Period.choices)
    start = models.DateTimeField()
    # Not a foreign key: what happened stays when the endpoint goes. The UUID 0 is for all endpoints together.
    endpoint = models.UUIDField()
    outcome = models.CharField(max_length=20, choices=OUTCOME_CHOICES)
    attempts = _count()
    # Attempts by the class of their duration, see `dispatch.latencies`.
    ms_5 = _count()
    ms_10 = _count()
    ms_20 = _count()
    ms_40 = _count()
    ms_80 = _count()
    ms_160 = _count()
    ms_320 = _count()
    ms_640 = _count()
    ms_1280 = _count()
    ms_2560 = _count()
    ms_5120 = _count()
    ms_10240 = _count()
    ms_more = _count()

    class Meta:
        constraints = [
            # Also serves the dashboard: all of a range of time.
            models.UniqueConstraint("period", "start", "endpoint", "outcome", name="dispatch_rollup_unique"),
        ]
        indexes = [
            # Serves the chart of one endpoint.
            models.Index("endpoint", "period", "start", name="dispatch_rollup_endpoint"),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.start:%Y-%m-%d %H:%M} {self.outcome}"


class RollupState(models.Model):
    """How far the rollups are, and what waits. One row."""

    settled_until = models.DateTimeField(help_text="What was recorded before is counted for good.")
    counted_until = models.DateTimeField(help_text="What was recorded before was counted at least once.")
    waiting = models.JSONField(default=dict, help_text="Pending deliveries by the reason why they wait.")
    oldest_due_at = models.DateTimeField(null=True, help_text="Since when the oldest delivery is due.")
    waiting_at = models.DateTimeField(null=True, help_text="When the waiting were counted.")
    waiting_took = models.FloatField(default=0, help_text="Seconds that this took.")

    def __str__(self) -> str:
        return f"settled until {self.settled_until:%Y-%m-%d %H:%M}"
