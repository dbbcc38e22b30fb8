"""The fields of an endpoint's flow control, as the API takes and shows them."""

from typing import Any

from rest_framework import serializers

from subscriptions.api.fields import TrueOrFalseField, WholeNumberField, WordField
from subscriptions.models.flow_control import MOST, RatePeriod, WhenDisabled, WhenHeadFails


class ShowsRateLimit(serializers.Serializer[Any]):
    rate_limit = serializers.IntegerField(allow_null=True)
    rate_period = WordField(RatePeriod.choices)


class ShowsFlow(ShowsRateLimit):
    max_in_flight = serializers.IntegerField(allow_null=True)
    ordered = serializers.BooleanField()
    when_head_fails = WordField(WhenHeadFails.choices)
    when_disabled = WordField(WhenDisabled.choices)


class TakesRateLimit(serializers.Serializer[Any]):
    rate_limit = WholeNumberField(required=False, allow_null=True, min_value=1, max_value=MOST)
    rate_period = WordField(RatePeriod.choices, required=False)


class TakesFlow(TakesRateLimit):
    max_in_flight = WholeNumberField(required=False, allow_null=True, min_value=1, max_value=MOST)
    ordered = TrueOrFalseField(required=False)
    when_head_fails = WordField(WhenHeadFails.choices, required=False)
    when_disabled = WordField(WhenDisabled.choices, required=False)
