"""The API's routes of deliveries: lists, retrying and cancelling, one by one and many at once."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch import asking, bulk
from dispatch.api.bounded import Bounded, Selection
from dispatch.api.described import CountSerializer
from dispatch.api.serializers import (
    BulkJobSerializer,
    BulkRequest,
    DeliveryFilters,
    DeliveryInFullSerializer,
    DeliveryWithAttemptsSerializer,
)
from dispatch.api.views import DELIVERIES
from dispatch.models import Attempt, BulkAction, BulkJob, Delivery
from dispatch.selection import deliveries_where, of_subscriber
from subscriptions.api.base import Many, One, Single, View
from subscriptions.api.problems import Conflict
from subscriptions.api.serializers import Nothing
from subscriptions.models import Subscriber

_ATTEMPTS = Attempt.objects.select_related("request_head").order_by("number")


class Deliveries(Bounded[Delivery]):
    queryset = DELIVERIES.prefetch_related(
        Prefetch("attempts", Attempt.objects.order_by("number").defer("response_headers", "response_body"))
    )
    serializer_class = DeliveryWithAttemptsSerializer
    filters = DeliveryFilters
    tenant = "endpoint__subscriber"

    def select(self, filters: Mapping[str, Any]) -> Selection:
        """Have a subscriber's own deliveries found by an index as well."""
        found, among = deliveries_where(filters)
        if self.caller.subscriber_id is not None:
            found &= of_subscriber(self.caller.subscriber_id)
        return Selection(found, among)


class OneDelivery(One[Delivery]):
    queryset = DELIVERIES.prefetch_related(Prefetch("attempts", _ATTEMPTS))
    serializer_class = DeliveryInFullSerializer
    tenant = "endpoint__subscriber"


class _OneIsAsked(Single[Delivery]):
    """Something that is asked of one delivery."""

    queryset = DELIVERIES.prefetch_related(Prefetch("attempts", _ATTEMPTS))
    serializer_class = DeliveryInFullSerializer
    tenant = "endpoint__subscriber"

    def ask(self, delivery: Delivery) -> None:
        """Ask it. Raises `asking.CannotBeMoved`."""
        raise NotImplementedError

    @extend_schema(request=Nothing, responses={200: DeliveryInFullSerializer, 409: None})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.read(Nothing)
        try:
            self.ask(self.get_object())
        except asking.CannotBeMoved as error:
            raise Conflict(str(error)) from error
        return self.shown(self.get_object())


class RetryDelivery(_OneIsAsked):
    """Retry a delivery now."""

    def ask(self, delivery: Delivery) -> None:
        asking.retry(delivery, now=timezone.now())


class CancelDelivery(_OneIsAsked):
    """Cancel a delivery that waits."""

    def ask(self, delivery: Delivery) -> None:
        asking.cancel(delivery, by=self.actor.name, now=timezone.now())


class _Bulk(View):
    """What is asked of many deliveries: answered with a job, which is done in the background."""

    tenant = "subscriber"
    action: ClassVar[BulkAction]

    @extend_schema(request=BulkRequest, responses={200: CountSerializer, 202: BulkJobSerializer})
    def post(self, request: Request) -> Response:
        filters = self.read(BulkRequest)
        dry_run = filters.pop("dry_run", False)
        if not filters:
            raise ValidationError("Name at least one filter, such as endpoint or created_after.")
        mine = self.caller.subscriber_id
        only = None if mine is None else Subscriber.objects.get(pk=mine)
        if dry_run:
            return Response({"count": bulk.count(self.action, filters, only=only)})
        job = bulk.ask(self.action, filters, by=self.actor, only=only)
        return Response(BulkJobSerializer(job).data, status.HTTP_202_ACCEPTED)


@extend_schema_view(post=extend_schema(operation_id="deliveries_retry_many"))
class BulkRetry(_Bulk):
    """Retry all deliveries that the filters name, in the background. A dry run only counts them."""

    action = BulkAction.RETRY


@extend_schema_view(post=extend_schema(operation_id="deliveries_cancel_many"))
class BulkCancel(_Bulk):
    """Cancel all deliveries that the filters name, in the background. A dry run only counts them."""

    action = BulkAction.CANCEL


class BulkJobs(Many[BulkJob]):
    queryset = BulkJob.objects.all()
    serializer_class = BulkJobSerializer
    tenant = "subscriber"


class OneBulkJob(One[BulkJob]):
    queryset = BulkJob.objects.all()
    serializer_class = BulkJobSerializer
    tenant = "subscriber"


class StopBulkJob(Single[BulkJob]):
    """Stop a job that is not done yet. What it did stays."""

    queryset = BulkJob.objects.all()
    serializer_class = BulkJobSerializer
    tenant = "subscriber"

    @extend_schema(request=Nothing, responses={200: BulkJobSerializer, 409: None})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.read(Nothing)
        job = self.get_object()
        if not bulk.stop(job, now=timezone.now()):
            raise Conflict(f"The job is {job.status} already.")
        return self.shown(self.get_object())
