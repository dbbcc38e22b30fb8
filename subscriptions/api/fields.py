"""Serializer fields that the API adds to DRF's."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from subscriptions import ids, patterns
from subscriptions.models import EventTypePattern, Subscriber

STRINGS = {"type": "array", "items": {"type": "string"}}
NUMBERS = {"type": "array", "items": {"type": "number"}}
STRINGS_BY_NAME = {"type": "object", "additionalProperties": {"type": "string"}}
OBJECT = {"type": "object", "additionalProperties": {}}


class TextField(serializers.CharField):
    """A JSON string. DRF's own field also takes numbers for text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class AnyJsonField(serializers.JSONField):
    """Whatever JSON can say. DRF's own field writes it as JSON again, only to see whether that works.

    `shape` is the JSON Schema of what is shown, or of what those take who check it further down.
    """

    def __init__(self, *, shape: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.shape = shape
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        return data


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction. DRF's own field also takes texts for numbers."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class TrueOrFalseField(serializers.BooleanField):
    """A JSON boolean. DRF's own field also takes texts and numbers that could mean one."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class MomentField(serializers.DateTimeField):
    """A time as RFC 3339 writes it. DRF's own field also takes one without a zone."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            moment = parse_datetime(value) if isinstance(value, str) else None
            if moment is not None and moment.tzinfo is not None:
                return moment.astimezone(UTC)
        # In UTC it may be before the first year there is, or after the last.
        except (ValueError, OverflowError):
            pass
        raise serializers.ValidationError("Write a time with its zone, such as 2026-03-01T12:00:00Z.")


class WordField(serializers.ChoiceField):
    """One of a few words. A wrong one is answered with all of them; an empty one is shown as null."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, **options)
        self.error_messages["invalid_choice"] = f"{{input}} is unknown: write one of {', '.join(self.choices)}."

    def to_representation(self, value: str) -> Any:
        return value or None


class TextOrNullField(serializers.CharField):
    """A text that is shown as null where it is empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, **options)

    def to_representation(self, value: str) -> Any:
        return value or None


class IdField(TextField):
    """A public id of one kind."""

    def __init__(self, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            ids.decode(self.prefix, text)
        except ids.InvalidId as error:
            raise serializers.ValidationError(str(error)) from error
        return text


class SubscriberField(TextField):
    """A subscriber by id or uid, read as the `Subscriber`. One that was deleted is found by its id, if asked for."""

    def __init__(self, *, deleted_too: bool = False, **options: Any) -> None:
        self.deleted_too = deleted_too
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        subscriber = Subscriber.objects.find(text, deleted_too=self.deleted_too)
        if subscriber is None:
            raise serializers.ValidationError(self.unknown(text))
        return subscriber

    @staticmethod
    def unknown(text: str) -> str:
        """Say that there is no such subscriber, also of one that the caller must not know of."""
        return f"There is no subscriber with the id or uid {text!r}."


class WantedTypeField(TextField):
    """An event type, read as the keys of the endpoints that want it."""

    def to_internal_value(self, data: Any) -> Any:
        name = super().to_internal_value(data)
        try:
            matching = patterns.patterns_matching(patterns.check_name(name))
        except patterns.InvalidEventType as error:
            raise serializers.ValidationError(str(error)) from error
        return EventTypePattern.objects.filter(pattern__in=matching).values("endpoint")


class IsEmptyField(serializers.BooleanField):
    """False or true, read the other way round: for the look-up `isnull`."""

    def to_internal_value(self, data: Any) -> Any:
        return not super().to_internal_value(data)
