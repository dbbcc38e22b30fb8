"""What the API takes and gives for events, deliveries and attempts."""

import json
from typing import Any

from rest_framework import serializers

from dispatch.models import Attempt, Delivery, Event
from dispatch.models.delivery import OUTCOME_CHOICES, STATUS_CHOICES
from subscriptions.api.fields import AnyJsonField, IdField, SubscriberField, TextField, WordField
from subscriptions.api.serializers import Input


class NewEvent(Input):
    type = TextField(trim_whitespace=False)
    data = AnyJsonField(allow_null=True)  # type: ignore[assignment]  # DRF takes it off the class
    subscriber = TextField(required=False, allow_null=True)
    idempotency_key = TextField(required=False, allow_null=True, trim_whitespace=False)


class NewEvents(Input):
    events = serializers.ListField(child=AnyJsonField(), allow_empty=False, max_length=1000)


class EventFilters(Input):
    type = TextField(required=False)
    subscriber = SubscriberField(required=False)


class DeliveryFilters(Input):
    subscriber = SubscriberField(required=False, source="endpoint__subscriber")
    endpoint = IdField("ep", required=False)
    event = IdField("evt", required=False)
    event_type = TextField(required=False, source="event__type")
    status = WordField(STATUS_CHOICES, required=False)


class AttemptSerializer(serializers.Serializer[Attempt]):
    """An attempt in a list: without what the receiver answered, which is long."""

    id = serializers.CharField()
    number = serializers.IntegerField()
    outcome = WordField(OUTCOME_CHOICES)
    status_code = serializers.IntegerField()
    error = serializers.CharField()
    started_at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()
    remote_address = serializers.CharField()


class AttemptWithResponseSerializer(AttemptSerializer):
    response_headers = serializers.JSONField()
    response_body = serializers.CharField()


class DeliverySerializer(serializers.Serializer[Delivery]):
    id = serializers.CharField()
    event = serializers.CharField(source="event_id")
    event_type = serializers.CharField(source="event.type")
    endpoint = serializers.CharField(source="endpoint_id")
    subscriber = serializers.CharField(source="endpoint.subscriber_id")
    status = WordField(STATUS_CHOICES)
    note = serializers.CharField()
    attempt_count = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField()
    last_outcome = WordField(OUTCOME_CHOICES)
    last_status_code = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField()


class DeliveryWithAttemptsSerializer(DeliverySerializer):
    attempts = AttemptSerializer(many=True)


class DeliveryInFullSerializer(DeliverySerializer):
    attempts = AttemptWithResponseSerializer(many=True)


class EventSerializer(serializers.Serializer[Event]):
    """An event in a list: without its data, which is long."""

    id = serializers.CharField()
    type = serializers.CharField()
    subscriber = serializers.CharField(source="subscriber_id")
    idempotency_key = serializers.CharField()
    created_at = serializers.DateTimeField()


class EventWithDataSerializer(EventSerializer):
    data = serializers.SerializerMethodField()  # type: ignore[assignment]  # DRF takes it off the class

    def get_data(self, event: Event) -> Any:
        return json.loads(event.payload)
