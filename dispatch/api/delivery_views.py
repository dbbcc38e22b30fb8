"""The API's routes of deliveries: lists, retrying and cancelling, one by one and many at once."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Prefetch
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch import asking, bulk
from dispatch.api.bounded import Bounded, Selection
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

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.read(Nothing)
        try:
            self.ask(self.get_object())
        except asking.CannotBeMoved as error:
            raise Conflict(str(error)) from error
        return self.shown(self.get_object())


class RetryDelivery(_OneIsAsked):
    def ask(self, delivery: Delivery) -> None:
        asking.retry(delivery, now=timezone.now())


class CancelDelivery(_OneIsAsked):
    def ask(self, delivery: Delivery) -> None:
        asking.cancel(delivery, by=self.actor.name, now=timezone.now())


class _Bulk(View):
    """What is asked of many deliveries: answered with a job, which is done in the background."""

    tenant = "subscriber"
    action: ClassVar[BulkAction]

    def post(self, request: Request) -> Response:
        filters = self.read(BulkRequest)
        dry_run = filters.pop("dry_run", False)
        if not filters:
            raise ValidationError("Name at least one filter, such as endpoint or created_after.")
        mine = self.caller.subscriber_id
        only = None if mine is None else Subscriber.objects.get(pk=mine)
        if dry_run:
            return Response({"count": bulk.count(self.action, filters, only=only)})
        job = bulk.ask(self.action, filters, by=self.actor.name, only=only)
        return Response(BulkJobSerializer(job).data, status.HTTP_202_ACCEPTED)


class BulkRetry(_Bulk):
    action = BulkAction.RETRY


class BulkCancel(_Bulk):
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
    queryset = BulkJob.objects.all()
    serializer_class = BulkJobSerializer
    tenant = "subscriber"

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.read(Nothing)
        job = self.get_object()
        if not bulk.stop(job, now=timezone.now()):
            raise Conflict(f"The job is {job.status} already.")
        return self.shown(self.get_object())
