"""The API's routes of subscribers, endpoints and event types."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import ADMINS, EVERY_READER, Many, One
from subscriptions.api.described import RegisteredEndpointSerializer
from subscriptions.api.problems import Conflict
from subscriptions.api.secret_views import UNCACHED, shown_once
from subscriptions.api.serializers import (
    EndpointChange,
    EndpointFilters,
    EndpointSerializer,
    EventTypeChange,
    EventTypeFilters,
    EventTypeSerializer,
    NewEndpoint,
    NewEventType,
    NewSubscriber,
    SubscriberChange,
    SubscriberFilters,
    SubscriberSerializer,
)
from subscriptions.api.single_endpoint import SingleEndpoint
from subscriptions.models import Endpoint, EventType, Subscriber
from subscriptions.models.endpoint_access import with_access
from subscriptions.models.event_type import InUse


class Subscribers(Many[Subscriber]):
    queryset = Subscriber.objects.all()
    serializer_class = SubscriberSerializer
    tenant = "pk"
    writers = ADMINS
    filters = SubscriberFilters

    @extend_schema(request=NewSubscriber, responses={201: SubscriberSerializer})
    def post(self, request: Request) -> Response:
        subscriber = Subscriber.objects.register(**self.read(NewSubscriber), by=self.actor)
        return Response(SubscriberSerializer(subscriber).data, status.HTTP_201_CREATED)


class OneSubscriber(One[Subscriber]):
    queryset = Subscriber.objects.all()
    serializer_class = SubscriberSerializer
    tenant = "pk"
    writers = ADMINS

    def get_object(self) -> Subscriber:
        subscriber = Subscriber.objects.find(self.kwargs["id"])
        if subscriber is None or self.caller.subscriber_id not in {None, subscriber.pk}:
            raise NotFound(f"There is no subscriber with the id or uid {self.kwargs['id']!r}.")
        return subscriber

    @extend_schema(request=SubscriberChange, responses=SubscriberSerializer)
    def patch(self, request: Request, id: str) -> Response:  # noqa: A002
        with self.locked() as subscriber:
            subscriber.change(self.read(SubscriberChange), by=self.actor)
            # By its id: the uid, by which it may have been found, may be another now.
            return self.shown(Subscriber.objects.get(pk=subscriber.pk))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: str) -> Response:  # noqa: A002
        with self.locked() as subscriber:
            subscriber.remove(now=timezone.now(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Endpoints(Many[Endpoint]):
    queryset = with_access(Endpoint.objects.prefetch_related("event_type_patterns"))
    serializer_class = EndpointSerializer
    tenant = "subscriber"
    filters = EndpointFilters

    @extend_schema(request=NewEndpoint, responses={201: RegisteredEndpointSerializer})
    def post(self, request: Request) -> Response:
        endpoint, secret = Endpoint.objects.register(**self.read(NewEndpoint), by=self.actor)
        return Response(
            EndpointSerializer(endpoint).data | shown_once(secret), status.HTTP_201_CREATED, headers=UNCACHED
        )


class OneEndpoint(SingleEndpoint, One[Endpoint]):
    """An endpoint that can be read, changed and deleted."""

    @extend_schema(request=EndpointChange, responses=EndpointSerializer)
    def patch(self, request: Request, id: str) -> Response:  # noqa: A002
        with self.locked() as endpoint:
            endpoint.change(self.read(EndpointChange), now=timezone.now(), by=self.actor)
            return self.shown(self.get_object())

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: str) -> Response:  # noqa: A002
        with self.locked() as endpoint:
            endpoint.remove(now=timezone.now(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EventTypes(Many[EventType]):
    queryset = EventType.objects.all()
    serializer_class = EventTypeSerializer
    tenant = None
    readers = EVERY_READER
    filters = EventTypeFilters

    @extend_schema(request=NewEventType, responses={201: EventTypeSerializer})
    def post(self, request: Request) -> Response:
        event_type = EventType.objects.register(**self.read(NewEventType), by=self.actor)
        return Response(EventTypeSerializer(event_type).data, status.HTTP_201_CREATED)


class OneEventType(One[EventType]):
    queryset = EventType.objects.all()
    serializer_class = EventTypeSerializer
    tenant = None
    readers = EVERY_READER

    @extend_schema(request=EventTypeChange, responses=EventTypeSerializer)
    def patch(self, request: Request, name: str) -> Response:
        with self.locked() as event_type:
            event_type.change(self.read(EventTypeChange), now=timezone.now(), by=self.actor)
            return self.shown(self.get_object())

    @extend_schema(responses={204: None, 409: None})
    def delete(self, request: Request, name: str) -> Response:
        try:
            with self.locked() as event_type:
                event_type.remove(by=self.actor)
        except InUse as error:
            raise Conflict(str(error)) from error
        return Response(status=status.HTTP_204_NO_CONTENT)
