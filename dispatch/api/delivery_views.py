"""The API's routes of deliveries: lists, retrying and cancelling, one by one and many at once."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist
from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import Prefetch
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
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
from subscriptions.api.base import Many, One, View
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


class _OfDelivery(View):
    """Something that is asked of one delivery."""

    tenant = "endpoint__subscriber"

    def delivery(self) -> Delivery:
        """Find the delivery that the address names. Raises `NotFound`."""
        text = self.kwargs["id"]
        try:
            return self.own(DELIVERIES).get(pk=text)
        except (ObjectDoesNotExist, ModelValidationError) as error:
            raise NotFound(f"There is no delivery {text!r}.") from error


class RetryDelivery(_OfDelivery):
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        self.read(Nothing)
        delivery = self.delivery()
        try:
            asking.retry(delivery, now=timezone.now())
        except asking.CannotBeMoved as error:
            raise Conflict(str(error)) from error
        return Response(DeliveryWithAttemptsSerializer(self.delivery()).data)


class CancelDelivery(_OfDelivery):
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        self.read(Nothing)
        delivery = self.delivery()
        try:
            asking.cancel(delivery, by=self.actor.name, now=timezone.now())
        except asking.CannotBeMoved as error:
            raise Conflict(str(error)) from error
        return Response(DeliveryWithAttemptsSerializer(self.delivery()).data)


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


class StopBulkJob(View):
    tenant = "subscriber"

    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        self.read(Nothing)
        jobs = self.own(BulkJob.objects.all())
        try:
            job = jobs.get(pk=id)
        except (ObjectDoesNotExist, ModelValidationError) as error:
            raise NotFound(f"There is no bulk job {id!r}.") from error
        if not bulk.stop(job, now=timezone.now()):
            raise Conflict(f"The job is {job.status} already.")
        return Response(BulkJobSerializer(jobs.get(pk=id)).data)
