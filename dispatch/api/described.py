"""What answers look like that a view puts together itself. Only for the description of the API."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from dispatch.api.serializers import DeliverySerializer, EventSerializer, EventWithDataSerializer, StatsSerializer
from dispatch.waiting import Reason
from dispatch.why import Code
from subscriptions.api.described import ProblemSerializer
from subscriptions.api.fields import OBJECT, AnyJsonField


class EventWithDeliveriesSerializer(EventWithDataSerializer):
    deliveries = DeliverySerializer(many=True)
    all_deliveries = serializers.URLField(allow_null=True)


class PublishedSerializer(serializers.Serializer[Any]):
    """An event that was published just now (201), or before with the same idempotency key (200)."""

    status = serializers.IntegerField()
    event = EventSerializer()


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="Result", serializers=[PublishedSerializer, ProblemSerializer], resource_type_field_name=None
    )
)
class ResultField(serializers.Field[Any, Any, Any, Any]):
    """What became of one event of a batch."""


class ResultsSerializer(serializers.Serializer[Any]):
    results = serializers.ListField(child=ResultField())


class LiveSerializer(serializers.Serializer[Any]):
    status = serializers.CharField()


class ReadySerializer(serializers.Serializer[Any]):
    status = serializers.CharField()
    checks = serializers.DictField(child=serializers.CharField())
    work = AnyJsonField(shape=OBJECT)


class CurlSerializer(serializers.Serializer[Any]):
    curl = serializers.CharField()


class CountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()


class EndpointStatsSerializer(StatsSerializer):
    window = serializers.CharField()


class FeedSerializer(serializers.Serializer[Any]):
    results = EventWithDataSerializer(many=True)
    cursor = serializers.CharField()
    has_more = serializers.BooleanField()


class WhySerializer(serializers.Serializer[Any]):
    """Why an event was or was not sent to an endpoint: a code, the same in a sentence, and what it rests on."""

    event = serializers.CharField()
    endpoint = serializers.CharField()
    delivery = serializers.CharField(allow_null=True)
    code = serializers.ChoiceField([(code.value, code.value) for code in (*Code, *Reason)])
    sentence = serializers.CharField()
    facts = AnyJsonField(shape=OBJECT)
