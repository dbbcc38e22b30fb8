"""Times in requests."""

from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import serializers


class MomentField(serializers.DateTimeField):
    """A time as RFC 3339 writes it. DRF's own field also takes one without a zone."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            moment = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise serializers.ValidationError("Write a time with its zone, such as 2026-03-01T12:00:00Z.")
        return moment
