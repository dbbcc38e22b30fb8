"""The API's route of an endpoint's ownership challenge."""

from django.core.exceptions import ValidationError
from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import OfEndpoint
from subscriptions.api.problems import Conflict
from subscriptions.api.serializers import EndpointSerializer, Nothing


class ChallengeEndpoint(OfEndpoint):
    """Has an unverified endpoint challenged again, from the beginning of the schedule."""

    def post(self, request: Request, endpoint: str) -> Response:
        self.read(Nothing)
        found = self.endpoint()
        try:
            found.ask_for_challenge(now=timezone.now(), by=self.actor)
        except ValidationError as error:
            raise Conflict(error.messages[0]) from error
        return Response(EndpointSerializer(found).data, status.HTTP_202_ACCEPTED)
