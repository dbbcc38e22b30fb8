"""What the API takes and gives for events, deliveries and attempts."""

import json
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from dispatch import command_lines
from dispatch.endpoint_stats import WINDOWS, Stats
from dispatch.models import Attempt, BulkJob, Delivery, Event
from dispatch.models.delivery import OUTCOME_CHOICES, STATUS_CHOICES, TRIGGER_CHOICES
from subscriptions.api.fields import (
    OBJECT,
    STRINGS,
    AnyJsonField,
    IdField,
    MomentField,
    SubscriberField,
    TextField,
    TrueOrFalseField,
    WordField,
)
from subscriptions.api.serializers import Input


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An invoice was paid",
            {"type": "invoice.paid", "data": {"id": "in_1", "amount": 4900}, "subscriber": "acme"},
            request_only=True,
        )
    ]
)
class NewEvent(Input):
    type = TextField(trim_whitespace=False)
    data = AnyJsonField(allow_null=True)  # type: ignore[assignment]  # DRF takes it off the class
    subscriber = TextField(required=False, allow_null=True)
    channels = AnyJsonField(shape=STRINGS, required=False)
    idempotency_key = TextField(required=False, allow_null=True, trim_whitespace=False)
    deliver_after = MomentField(required=False, allow_null=True)
    ordering_key = TextField(required=False, allow_null=True, trim_whitespace=False)


class NewEvents(Input):
    events = serializers.ListField(child=AnyJsonField(), allow_empty=False, max_length=1000)


class EventFilters(Input):
    type = TextField(required=False)
    subscriber = SubscriberField(required=False, deleted_too=True)
    created_after = MomentField(required=False)
    created_before = MomentField(required=False)


class FeedQuery(Input):
    subscriber = SubscriberField()
    after = TextField(required=False)
    event_type = TextField(required=False)


class DeliveryFilters(Input):
    subscriber = SubscriberField(required=False, deleted_too=True)
    endpoint = IdField("ep", required=False)
    event = IdField("evt", required=False)
    event_type = TextField(required=False)
    status = WordField(STATUS_CHOICES, required=False)
    outcome = WordField(OUTCOME_CHOICES, required=False)
    response_class = WordField(["1xx", "2xx", "3xx", "4xx", "5xx"], required=False)
    created_after = MomentField(required=False)
    created_before = MomentField(required=False)


class BulkRequest(DeliveryFilters):
    """Which deliveries are meant. A dry run only counts them."""

    dry_run = TrueOrFalseField(required=False)


class AttemptFilters(Input):
    delivery = IdField("dlv", required=False)
    endpoint = IdField("ep", required=False)
    subscriber = SubscriberField(required=False, deleted_too=True)
    outcome = WordField(OUTCOME_CHOICES, required=False)
    created_after = MomentField(required=False)
    created_before = MomentField(required=False)


class NewTest(Input):
    event_type = TextField(trim_whitespace=False)
    data = AnyJsonField(required=False, allow_null=True)  # type: ignore[assignment]  # DRF takes it off the class


class StatsQuery(Input):
    window = WordField(list(WINDOWS), default="24h")


class AttemptSerializer(serializers.Serializer[Attempt]):
    """An attempt in a list: without what the receiver answered, which is long."""

    id = serializers.CharField()
    number = serializers.IntegerField()
    trigger = WordField(TRIGGER_CHOICES)
    outcome = WordField(OUTCOME_CHOICES)
    status_code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()
    started_at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField(allow_null=True)
    dns_ms = serializers.IntegerField(allow_null=True)
    connect_ms = serializers.IntegerField(allow_null=True)
    tls_ms = serializers.IntegerField(allow_null=True)
    first_byte_ms = serializers.IntegerField(allow_null=True)
    remote_address = serializers.CharField()
    worker = serializers.CharField()


class AttemptWithResponseSerializer(AttemptSerializer):
    response_headers = AnyJsonField(shape=OBJECT, allow_null=True)
    response_body = serializers.CharField()


class ListedAttemptSerializer(AttemptSerializer):
    """An attempt on its own, with what it belongs to."""

    delivery = serializers.CharField(source="delivery_id")
    event = serializers.CharField(source="delivery.event_id")
    event_type = serializers.CharField(source="delivery.event.type")
    endpoint = serializers.CharField(source="delivery.endpoint_id")
    subscriber = serializers.CharField(source="delivery.endpoint.subscriber_id")


class AttemptInFullSerializer(ListedAttemptSerializer):
    """An attempt with its request, whose body is that of the event, and what came back."""

    request = serializers.SerializerMethodField()
    response_headers = AnyJsonField(shape=OBJECT, allow_null=True)
    response_body = serializers.CharField()
    curl = serializers.SerializerMethodField()

    def get_request(self, attempt: Attempt) -> dict[str, Any] | None:
        headers, head = command_lines.headers_of(attempt), attempt.request_head
        return (
            None
            if headers is None or head is None
            else {"url": head.url, "headers": headers, "payload_format": head.payload_format}
        )

    def get_curl(self, attempt: Attempt) -> str | None:
        return command_lines.as_sent(attempt)


class DeliverySerializer(serializers.Serializer[Delivery]):
    id = serializers.CharField()
    event = serializers.CharField(source="event_id")
    event_type = serializers.CharField(source="event.type")
    endpoint = serializers.CharField(source="endpoint_id")
    subscriber = serializers.CharField(source="endpoint.subscriber_id")
    status = WordField(STATUS_CHOICES)
    note = serializers.CharField()
    trigger = WordField(TRIGGER_CHOICES)
    attempt_count = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_outcome = WordField(OUTCOME_CHOICES, allow_null=True)
    last_status_code = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class DeliveryWithAttemptsSerializer(DeliverySerializer):
    attempts = AttemptSerializer(many=True)


class DeliveryInFullSerializer(DeliverySerializer):
    attempts = AttemptWithResponseSerializer(many=True)


class EventSerializer(serializers.Serializer[Event]):
    """An event in a list: without its data, which is long."""

    id = serializers.CharField()
    type = serializers.CharField()
    subscriber = serializers.CharField(source="subscriber_id", allow_null=True)
    channels = AnyJsonField(shape=STRINGS)
    idempotency_key = serializers.CharField(allow_null=True)
    ordering_key = serializers.CharField()
    created_at = serializers.DateTimeField()
    deliver_after = serializers.DateTimeField(allow_null=True)


def shown_event(event: Event) -> dict[str, Any]:
    """Say what `EventSerializer` says. Publishing answers with this, and REST framework needs five times as long."""
    return {
        "id": event.pk,
        "type": event.type,
        "subscriber": event.subscriber_id,
        "channels": event.channels,
        "idempotency_key": event.idempotency_key,
        "ordering_key": event.ordering_key,
        "created_at": _written(event.created_at),
        "deliver_after": event.deliver_after and _written(event.deliver_after),
    }


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class EventWithDataSerializer(EventSerializer):
    data = serializers.SerializerMethodField()  # type: ignore[assignment]  # DRF takes it off the class

    def get_data(self, event: Event) -> Any:
        return json.loads(event.payload)


class BulkJobSerializer(serializers.Serializer[BulkJob]):
    id = serializers.CharField()
    action = serializers.CharField()
    filters = AnyJsonField(shape=OBJECT)
    status = serializers.CharField()
    total = serializers.IntegerField(allow_null=True)
    passed = serializers.IntegerField()
    changed = serializers.IntegerField()
    asked_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class StatsSerializer(serializers.Serializer[Stats]):
    since = serializers.DateTimeField()
    is_complete = serializers.BooleanField()
    deliveries = serializers.DictField(child=serializers.IntegerField())
    attempts = serializers.DictField(child=serializers.IntegerField())
    success_rate = serializers.FloatField(allow_null=True)
    p50_ms = serializers.IntegerField(allow_null=True)
    p95_ms = serializers.IntegerField(allow_null=True)
