"""How an endpoint wants its deliveries, beside what they are signed with and let in by."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from subscriptions import channels, metadata, retry_schedules
from subscriptions.payload_format import PayloadFormat

# Shorter ones would not let an ordinary receiver answer, and deadlines are looked after once a second.
SHORTEST_TIMEOUT = 1
FORMAT_CHOICES = [
    (PayloadFormat.DATA.value, "The data as it was published"),
    (PayloadFormat.FULL.value, "Id, type, timestamp and data"),
    (PayloadFormat.THIN.value, "Id, type and timestamp"),
]


class DeliverySettings(models.Model):
    channels = models.JSONField(
        default=list, blank=True, help_text="Events it gets: those that name one of these. Empty: any."
    )
    payload_format = models.CharField(
        max_length=10,
        choices=FORMAT_CHOICES,
        default=PayloadFormat.DATA.value,
    )
    retry_schedule = models.JSONField(
        null=True, blank=True, help_text="Seconds from a failed attempt to the next. None: as everywhere."
    )
    timeout = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Seconds that one attempt may take in all. Empty: as everywhere."
    )
    metadata = models.JSONField(default=dict, blank=True, help_text="The platform's own notes.")

    class Meta:
        abstract = True

    def clean(self) -> None:
        """Bring channels in order. Raises Django's `ValidationError`, by field, for settings beyond the limits."""
        limits = settings.WEBHOOKS
        self.channels = _checked("channels", lambda: channels.check_channels(self.channels, at_most=limits.channels))
        check_metadata(self.metadata)
        if self.retry_schedule is not None:
            self.retry_schedule = _checked(
                "retry_schedule",
                lambda: retry_schedules.check_schedule(
                    self.retry_schedule,
                    at_most=limits.own_retries,
                    shortest=limits.own_retry_min,
                    longest=limits.own_retry_max,
                ),
            )
        longest = int(limits.request_deadline)
        if self.timeout is not None and not SHORTEST_TIMEOUT <= self.timeout <= longest:
            message = f"Write a whole number of seconds from {SHORTEST_TIMEOUT} to {longest}, or leave it empty."
            raise ValidationError({"timeout": message})


def check_metadata(given: Any) -> None:
    """Raise Django's `ValidationError` at the field `metadata` unless `given` can be kept as such."""
    limits = settings.WEBHOOKS
    _checked(
        "metadata",
        lambda: metadata.check_metadata(given, at_most=limits.metadata_entries, size=limits.metadata_size),
    )


def _checked(field: str, check: Callable[[], Any]) -> Any:
    try:
        return check()
    except (channels.InvalidChannels, metadata.InvalidMetadata, retry_schedules.InvalidSchedule) as error:
        raise ValidationError({field: str(error)}) from None
