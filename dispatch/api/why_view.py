"""Why an event was or was not sent to an endpoint."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch.api.described import WhySerializer
from dispatch.models import Event
from dispatch.why import why
from subscriptions.api.base import View
from subscriptions.api.fields import IdField
from subscriptions.api.serializers import Input
from subscriptions.models import Endpoint


class _Asked(Input):
    endpoint = IdField("ep")


class WhyView(View):
    """Ask why the event was or was not sent to an endpoint."""

    # Whoever asks is told of an endpoint of its own. An event for all is for it too, and stands in its feed.
    tenant = "subscriber"
    filters = _Asked

    @extend_schema(responses=WhySerializer)
    def get(self, request: Request, id: str) -> Response:  # noqa: A002 - as the address names it
        mine = self.caller.subscriber_id
        try:
            event = Event.objects.defer("payload").get(pk=id)
        except (Event.DoesNotExist, ModelValidationError) as error:
            raise NotFound(f"There is no event {id!r}.") from error
        if mine is not None and event.subscriber_id not in (None, mine):
            raise NotFound(f"There is no event {id!r}.")
        asked = self.read(self.filters, request.query_params.dict())
        endpoint = self.own(Endpoint.objects.all()).filter(pk=asked["endpoint"]).first()
        if endpoint is None:
            raise ValidationError({"endpoint": f"There is no endpoint {asked['endpoint']!r}."})
        answer = why(event, endpoint, now=timezone.now())
        return Response(
            {
                "event": event.pk,
                "endpoint": endpoint.pk,
                "delivery": answer.delivery and answer.delivery.pk,
                "code": answer.code,
                "sentence": answer.sentence,
                "facts": {name: _shown(value) for name, value in answer.facts.items()},
            }
        )


def _shown(value: Any) -> Any:
    return _MOMENT.to_representation(value) if hasattr(value, "isoformat") else value


_MOMENT = serializers.DateTimeField()
