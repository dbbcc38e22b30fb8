from django.core.exceptions import ValidationError
from django.db import models

from subscriptions import patterns
from subscriptions.fields import PublicIdField
from subscriptions.models.audit import PLATFORM, Actor
from subscriptions.models.creation import create_valid


def validate_name(name: str) -> None:
    """Raise Django's `ValidationError` unless `name` is an event type's name."""
    try:
        patterns.check_name(name)
    except patterns.InvalidEventType as error:
        raise ValidationError(str(error)) from error


class EventTypeManager(models.Manager["EventType"]):
    def register(self, *, name: str, description: str = "", by: Actor = PLATFORM) -> "EventType":
        """Create an event type. Raises Django's `ValidationError`, by field."""
        return create_valid(self.model(name=name, description=description), by=by)


class EventType(models.Model):
    """A dotted name of something that happens, such as `invoice.paid`."""

    id = PublicIdField("ety")
    name = models.CharField(max_length=patterns.MAX_LENGTH, unique=True, validators=[validate_name])
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EventTypeManager()

    def __str__(self) -> str:
        return self.name
