"""How much an endpoint gets at a time, in which order, and what becomes of what it does not get."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models


class RatePeriod(models.TextChoices):
    SECOND = "second", "Second"
    MINUTE = "minute", "Minute"
    HOUR = "hour", "Hour"

    @property
    def seconds(self) -> int:
        """How long it is."""
        return {"second": 1, "minute": 60, "hour": 3600}[self.value]


class WhenHeadFails(models.TextChoices):
    STOP = "stop", "Stop: the others wait until somebody retries or cancels it"
    SKIP = "skip", "Skip: the next one goes"


class WhenDisabled(models.TextChoices):
    DROP = "drop", "Drop: it is cancelled"
    KEEP = "keep", "Keep: it waits, and goes out when the endpoint is enabled"


MOST = 1_000_000


class HasRateLimit(models.Model):
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Requests in one period, at most."
    )
    rate_period = models.CharField(max_length=6, choices=RatePeriod.choices, default=RatePeriod.SECOND, blank=True)

    class Meta:
        abstract = True

    def clean_rate_limit(self) -> None:
        """Raise Django's `ValidationError` for a rate limit that nobody could keep. Left out is the default."""
        self.rate_period = self.rate_period or RatePeriod.SECOND
        if self.rate_limit is not None and not 1 <= self.rate_limit <= MOST:
            raise ValidationError(
                {"rate_limit": f"Give a rate limit from 1 to {MOST:,} requests, or none for no limit."}
            )


class FlowControl(HasRateLimit):
    max_in_flight = models.PositiveIntegerField(
        null=True, blank=True, help_text="Requests under way at a time, at most, over all workers. Empty: no limit."
    )
    ordered = models.BooleanField(
        default=False,
        help_text="One after another, in the order of publishing; with ordering keys, in order for each key.",
    )
    when_head_fails = models.CharField(
        "when one of an ordered endpoint fails for good",
        max_length=4,
        choices=WhenHeadFails.choices,
        default=WhenHeadFails.STOP,
        blank=True,
    )
    when_disabled = models.CharField(
        "what is published while it is disabled",
        max_length=4,
        choices=WhenDisabled.choices,
        default=WhenDisabled.DROP,
        blank=True,
    )

    class Meta:
        abstract = True

    def clean_flow(self) -> None:
        """Raise Django's `ValidationError`, by field, for limits that nobody could keep."""
        self.clean_rate_limit()
        self.when_head_fails = self.when_head_fails or WhenHeadFails.STOP
        self.when_disabled = self.when_disabled or WhenDisabled.DROP
        if self.max_in_flight is not None and not 1 <= self.max_in_flight <= MOST:
            raise ValidationError(
                {"max_in_flight": f"Give from 1 to {MOST:,} requests at a time, or none for no limit."}
            )


FLOW_FIELDS: tuple[Any, ...] = (
    "rate_limit",
    "rate_period",
    "max_in_flight",
    "ordered",
    "when_head_fails",
    "when_disabled",
)
