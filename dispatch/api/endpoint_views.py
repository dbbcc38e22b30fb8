"""The API's routes below an endpoint's address that tell of its deliveries."""

from django.conf import settings
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch import endpoint_stats
from dispatch.api.delivery_views import OneDelivery
from dispatch.api.serializers import DeliveryInFullSerializer, NewTest, StatsQuery, StatsSerializer
from dispatch.models import Delivery
from dispatch.publish import PublishRefused, publish_test, wait_for_test
from subscriptions.api.base import OfEndpoint


class TestEndpoint(OfEndpoint):
    """Sends a test event to this endpoint only, and answers with its delivery and attempt."""

    def post(self, request: Request, endpoint: str) -> Response:
        wanted = self.read(NewTest)
        found = self.endpoint()
        try:
            test = publish_test(found, wanted["event_type"], wanted.get("data"), now=timezone.now())
        except PublishRefused as error:
            raise ValidationError({"event_type" if error.field == "type" else error.field: str(error)}) from error
        has_ended = wait_for_test(test, seconds=settings.WEBHOOKS.test_wait)
        shown: Delivery = OneDelivery.queryset.get(pk=test.pk)
        code = status.HTTP_200_OK if has_ended else status.HTTP_202_ACCEPTED
        return Response(DeliveryInFullSerializer(shown).data, code)


class EndpointStats(OfEndpoint):
    """How the endpoint did within a window."""

    def get(self, request: Request, endpoint: str) -> Response:
        window = self.read(StatsQuery, request.query_params.dict())["window"]
        stats = endpoint_stats.stats(self.endpoint(), endpoint_stats.WINDOWS[window], now=timezone.now())
        return Response({"window": window, **StatsSerializer(stats).data})
