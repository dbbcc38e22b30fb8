"""The API's routes of what lets an endpoint's requests in: credentials and custom headers, replaced as a whole."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api.secret_views import endpoint_of
from subscriptions.api.serializers import EndpointSerializer, NewCredentials, NewHeaders


class ReplaceCredentials(APIView):
    def put(self, request: Request, endpoint: str) -> Response:
        found = endpoint_of(endpoint)
        found.set_credentials(NewCredentials.read(request.data)["credentials"])
        return Response(EndpointSerializer(found).data)


class ReplaceHeaders(APIView):
    def put(self, request: Request, endpoint: str) -> Response:
        found = endpoint_of(endpoint)
        found.set_headers(NewHeaders.read(request.data)["headers"])
        return Response(EndpointSerializer(found).data)
