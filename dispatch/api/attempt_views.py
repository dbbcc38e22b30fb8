"""The API's routes of attempts."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch import command_lines
from dispatch.api.bounded import Bounded, Selection
from dispatch.api.described import CurlSerializer
from dispatch.api.serializers import AttemptFilters, AttemptInFullSerializer, ListedAttemptSerializer
from dispatch.models import Attempt
from dispatch.selection import endpoints_of, first_id, made_between
from subscriptions.api.base import One, Single
from subscriptions.api.problems import Conflict
from subscriptions.api.secret_views import UNCACHED
from subscriptions.api.serializers import Nothing

_ATTEMPTS = Attempt.objects.select_related("delivery__event", "delivery__endpoint", "request_head")
_TENANT = "delivery__endpoint__subscriber"


class Attempts(Bounded[Attempt]):
    """All attempts by when they ended; those of an endpoint, subscriber or delivery by their deliveries."""

    queryset = _ATTEMPTS.defer("delivery__event__payload", "response_headers", "response_body")
    serializer_class = ListedAttemptSerializer
    filters = AttemptFilters
    tenant = _TENANT

    def select(self, filters: Mapping[str, Any]) -> Selection:
        """Find them by their deliveries, for which there is an index, or by the time in their ids."""
        after, before = filters.get("created_after"), filters.get("created_before")
        made = made_between("att", after, before)
        among = Q(outcome=filters["outcome"]) if "outcome" in filters else Q()
        of_deliveries = Q()
        if "delivery" in filters:
            of_deliveries &= Q(delivery=filters["delivery"])
        if "endpoint" in filters:
            of_deliveries &= Q(delivery__endpoint=filters["endpoint"])
        for subscriber in (filters.get("subscriber"), self.caller.subscriber_id):
            if subscriber is not None:
                of_deliveries &= Q(delivery__endpoint__in=endpoints_of(subscriber))
        if not of_deliveries:
            return Selection(made, among)
        if before is not None:
            # An attempt is never made before its delivery.
            of_deliveries &= Q(delivery__lt=first_id("dlv", before))
        return Selection(of_deliveries, made & among, keys=("delivery_id", "number"))


class OneAttempt(One[Attempt]):
    queryset = _ATTEMPTS
    serializer_class = AttemptInFullSerializer
    tenant = _TENANT


class SignAttemptAgain(Single[Attempt]):
    """Write a command line that sends the same request again, signed now."""

    queryset = _ATTEMPTS
    tenant = _TENANT

    @extend_schema(request=Nothing, responses={200: CurlSerializer, 409: None})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.read(Nothing)
        attempt = self.get_object()
        try:
            with transaction.atomic():
                command = command_lines.signed_again(attempt, by=self.actor, now=timezone.now())
        except command_lines.CannotBeSigned as error:
            raise Conflict(str(error)) from error
        return Response({"curl": command}, headers=UNCACHED)
