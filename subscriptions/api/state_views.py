"""The API's routes that move an endpoint from one state to another, or have it verified."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import OfEndpoint
from subscriptions.api.problems import Conflict
from subscriptions.api.serializers import EndpointSerializer, Nothing, Reason
from subscriptions.models.endpoint_moves import Move, WrongState


class MoveEndpoint(OfEndpoint):
    """Pause, resume, disable or enable an endpoint, as the address says."""

    move: ClassVar[Move] = Move.PAUSE

    @extend_schema(request=Reason, responses={200: EndpointSerializer, 409: None})
    def post(self, request: Request, endpoint: str) -> Response:
        wanted, found = self.read(Reason), self.endpoint()
        try:
            found.move(self.move, now=timezone.now(), by=self.actor, **wanted)
        except WrongState as error:
            raise Conflict(str(error)) from error
        return Response(EndpointSerializer(found).data)


class VerifyEndpoint(OfEndpoint):
    """Have an unverified endpoint challenged again, from the beginning of the schedule."""

    @extend_schema(request=Nothing, responses={202: EndpointSerializer, 409: None})
    def post(self, request: Request, endpoint: str) -> Response:
        self.read(Nothing)
        found = self.endpoint()
        try:
            found.ask_for_challenge(now=timezone.now(), by=self.actor)
        except ValidationError as error:
            raise Conflict(error.messages[0]) from error
        return Response(EndpointSerializer(found).data, status.HTTP_202_ACCEPTED)
