"""The API's routes below an endpoint's address that tell of its deliveries."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch import endpoint_stats
from dispatch.api.delivery_views import OneDelivery
from dispatch.api.described import EndpointStatsSerializer
from dispatch.api.serializers import DeliveryInFullSerializer, NewTest, StatsQuery, StatsSerializer
from dispatch.models import Delivery
from dispatch.publish import PublishRefused, publish_test, wait_for_test
from subscriptions.api.base import OfEndpoint


class TestEndpoint(OfEndpoint):
    """Send a test event to this endpoint only. Answers 202 where its attempt is not over yet."""

    @extend_schema(request=NewTest, responses={200: DeliveryInFullSerializer, 202: DeliveryInFullSerializer})
    def post(self, request: Request, endpoint: str) -> Response:
        found = self.endpoint()
        wanted = self.read(NewTest)
        try:
            test = publish_test(found, **wanted, now=timezone.now())
        except PublishRefused as error:
            raise ValidationError({"event_type" if error.field == "type" else error.field: str(error)}) from error
        return self._answer(test.pk, status.HTTP_202_ACCEPTED)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Wait for the attempt. Not before: until what is published is committed no worker sees it."""
        if response.status_code == status.HTTP_202_ACCEPTED:
            test = Delivery.objects.get(pk=response.data["id"])
            if wait_for_test(test, seconds=settings.WEBHOOKS.test_wait):
                answer = self._answer(test.pk, status.HTTP_200_OK)
                response.data, response.status_code = answer.data, answer.status_code
        return super().finalize_response(request, response, *args, **kwargs)

    def _answer(self, pk: str, code: int) -> Response:
        return Response(DeliveryInFullSerializer(OneDelivery.queryset.get(pk=pk)).data, code)


class EndpointStats(OfEndpoint):
    """Read how the endpoint did within a window."""

    filters = StatsQuery

    @extend_schema(responses=EndpointStatsSerializer)
    def get(self, request: Request, endpoint: str) -> Response:
        window = self.read(self.filters, request.query_params.dict())["window"]
        stats = endpoint_stats.stats(self.endpoint(), endpoint_stats.WINDOWS[window], now=timezone.now())
        return Response({"window": window, **StatsSerializer(stats).data})
