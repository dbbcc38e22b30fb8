"""The API's routes of subscribers, endpoints and event types, and what other routes are made of."""

from typing import ClassVar, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import Model, QuerySet
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.pagination import NewestFirst
from subscriptions.api.secret_views import UNCACHED, shown_once
from subscriptions.api.serializers import (
    EndpointFilters,
    EndpointSerializer,
    EventTypeSerializer,
    Input,
    NewEndpoint,
    NewEventType,
    NewSubscriber,
    NoFilters,
    SubscriberSerializer,
)
from subscriptions.models import Endpoint, EventType, Subscriber
from subscriptions.models.endpoint_access import with_access

M = TypeVar("M", bound=Model)
Row = TypeVar("Row")


class Many(ListAPIView[M]):
    """A list, newest first. `filters` names the query parameters; the source of each is a look-up."""

    filters: ClassVar[type[Input]] = NoFilters

    def filter_queryset(self, queryset: QuerySet[M, Row]) -> QuerySet[M, Row]:
        of_the_page = {NewestFirst.page_size_query_param, NewestFirst.cursor_query_param}
        given = {name: text for name, text in self.request.query_params.items() if name not in of_the_page}
        return queryset.filter(**self.filters.read(given))


class One(RetrieveAPIView[M]):
    """One row by what its address names it with."""

    def get_object(self) -> M:
        ((name, text),) = self.kwargs.items()
        queryset = self.get_queryset()
        try:
            return queryset.get(**{name: text})
        except (ObjectDoesNotExist, ModelValidationError) as error:
            raise NotFound(f"There is no {queryset.model._meta.verbose_name} {text!r}.") from error


class Subscribers(Many[Subscriber]):
    queryset = Subscriber.objects.all()
    serializer_class = SubscriberSerializer

    def post(self, request: Request) -> Response:
        subscriber = Subscriber.objects.register(**NewSubscriber.read(request.data))
        return Response(SubscriberSerializer(subscriber).data, status.HTTP_201_CREATED)


class OneSubscriber(One[Subscriber]):
    queryset = Subscriber.objects.all()
    serializer_class = SubscriberSerializer

    def get_object(self) -> Subscriber:
        subscriber = Subscriber.objects.find(self.kwargs["id"])
        if subscriber is None:
            raise NotFound(f"There is no subscriber with the id or uid {self.kwargs['id']!r}.")
        return subscriber


class Endpoints(Many[Endpoint]):
    queryset = with_access(Endpoint.objects.prefetch_related("event_type_patterns"))
    serializer_class = EndpointSerializer
    filters = EndpointFilters

    def post(self, request: Request) -> Response:
        endpoint, secret = Endpoint.objects.register(**NewEndpoint.read(request.data), by=str(request.user))
        return Response(
            EndpointSerializer(endpoint).data | shown_once(secret), status.HTTP_201_CREATED, headers=UNCACHED
        )


class OneEndpoint(One[Endpoint]):
    queryset = with_access(Endpoint.objects.prefetch_related("event_type_patterns"))
    serializer_class = EndpointSerializer


class EventTypes(Many[EventType]):
    queryset = EventType.objects.all()
    serializer_class = EventTypeSerializer

    def post(self, request: Request) -> Response:
        event_type = EventType.objects.register(**NewEventType.read(request.data))
        return Response(EventTypeSerializer(event_type).data, status.HTTP_201_CREATED)


class OneEventType(One[EventType]):
    queryset = EventType.objects.all()
    serializer_class = EventTypeSerializer
