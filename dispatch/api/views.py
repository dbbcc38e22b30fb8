"""The API's routes of events and deliveries."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch.api.bounded import Bounded, Selection
from dispatch.api.described import EventWithDeliveriesSerializer, ResultsSerializer
from dispatch.api.serializers import (
    DeliverySerializer,
    EventFilters,
    EventSerializer,
    EventWithDataSerializer,
    NewEvent,
    NewEvents,
    shown_event,
)
from dispatch.models import Delivery, Event
from dispatch.publish import IdempotencyConflict, Published, PublishRefused, Wanted, publish_event, publish_events
from dispatch.selection import made_between
from subscriptions.api import problems
from subscriptions.api.base import PUBLISHERS, One, View
from subscriptions.api.parsing import LargeJsonBody
from subscriptions.api.problems import Conflict

DELIVERIES = Delivery.objects.select_related("event", "endpoint").defer("event__payload")
# An event may go to every endpoint there is: its page shows the first ones and says where the others are.
_DELIVERIES_OF_ONE_EVENT = 250


class Events(Bounded[Event]):
    queryset = Event.objects.defer("payload")
    serializer_class = EventSerializer
    filters = EventFilters
    tenant = "subscriber"
    writers = PUBLISHERS

    def select(self, filters: Mapping[str, Any]) -> Selection:
        """Have one filter found by an index, and the other looked for among that."""
        found = made_between("evt", filters.get("created_after"), filters.get("created_before"))
        among = Q()
        if "subscriber" in filters:
            found &= Q(subscriber=filters["subscriber"])
        if "type" in filters:
            of_type = Q(type=filters["type"])
            found, among = (found, of_type) if "subscriber" in filters else (found & of_type, among)
        return Selection(found, among)

    @extend_schema(request=NewEvent, responses={200: EventWithDataSerializer, 201: EventWithDataSerializer, 409: None})
    def post(self, request: Request) -> Response:
        """Publish an event. With an idempotency key that was used before, the first one is given again (200)."""
        wanted = self.read(NewEvent)
        try:
            published = publish_event(wanted.pop("type"), wanted.pop("data"), **wanted)
        except IdempotencyConflict as error:
            raise Conflict({error.field: str(error)}) from error
        except PublishRefused as error:
            raise ValidationError({error.field: str(error)}) from error
        return Response(
            {**shown_event(published.event), "data": json.loads(published.event.payload)},
            status.HTTP_201_CREATED if published.created else status.HTTP_200_OK,
        )


class EventBatch(View):
    """Publish many events at once. Each is answered by itself, in their order."""

    tenant = None
    writers = PUBLISHERS
    parser_classes = (LargeJsonBody,)

    @extend_schema(request=NewEvents, responses=ResultsSerializer)
    def post(self, request: Request) -> Response:
        read = [_read(body) for body in self.read(NewEvents)["events"]]
        answers = iter(publish_events([each for each in read if isinstance(each, Wanted)]))
        results = [_result(next(answers) if isinstance(each, Wanted) else each) for each in read]
        return Response({"results": results})


def _read(body: Any) -> Wanted | ValidationError:
    try:
        fields = NewEvent.read(body)
    except ValidationError as error:
        return error
    return Wanted(fields.pop("type"), fields.pop("data"), **fields)


def _result(answer: Published | PublishRefused | ValidationError) -> dict[str, Any]:
    match answer:
        case Published():
            code = status.HTTP_201_CREATED if answer.created else status.HTTP_200_OK
            return {"status": code, "event": shown_event(answer.event)}
        case IdempotencyConflict():
            return problems.body_of(Conflict({answer.field: str(answer)}))
        case PublishRefused():
            return problems.body_of(ValidationError({answer.field: str(answer)}))
        case _:
            return problems.body_of(answer)


class OneEvent(One[Event]):
    queryset = Event.objects.all()
    serializer_class = EventWithDataSerializer
    tenant = "subscriber"

    @extend_schema(responses=EventWithDeliveriesSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        event = self.get_object()
        found = list(
            self.own(DELIVERIES, "endpoint__subscriber")
            .filter(event=event)
            .order_by("id")[: _DELIVERIES_OF_ONE_EVENT + 1]
        )
        shown: Any = found[:_DELIVERIES_OF_ONE_EVENT]
        has_more = len(found) > _DELIVERIES_OF_ONE_EVENT
        address = f"{reverse('api-deliveries')}?{urlencode({'event': event.id})}"
        return Response(
            self.get_serializer(event).data
            | {
                "deliveries": DeliverySerializer(shown, many=True).data,
                "all_deliveries": request.build_absolute_uri(address) if has_more else None,
            }
        )
