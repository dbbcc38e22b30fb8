"""The API's route of an endpoint's ownership challenge."""

from django.core.exceptions import ValidationError
from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api.problems import Conflict
from subscriptions.api.secret_views import endpoint_of
from subscriptions.api.serializers import EndpointSerializer, Nothing


class ChallengeEndpoint(APIView):
    """Has an unverified endpoint challenged again, from the beginning of the schedule."""

    def post(self, request: Request, endpoint: str) -> Response:
        Nothing.read(request.data)
        found = endpoint_of(endpoint)
        try:
            found.ask_for_challenge(now=timezone.now())
        except ValidationError as error:
            raise Conflict(error.messages[0]) from error
        return Response(EndpointSerializer(found).data, status.HTTP_202_ACCEPTED)
