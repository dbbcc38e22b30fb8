"""The API's routes of what lets an endpoint's requests in: credentials and custom headers, replaced as a whole."""

from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import OfEndpoint
from subscriptions.api.serializers import EndpointSerializer, NewCredentials, NewHeaders


class ReplaceCredentials(OfEndpoint):
    def put(self, request: Request, endpoint: str) -> Response:
        found = self.endpoint()
        found.set_credentials(self.read(NewCredentials)["credentials"], by=self.actor)
        return Response(EndpointSerializer(found).data)


class ReplaceHeaders(OfEndpoint):
    def put(self, request: Request, endpoint: str) -> Response:
        found = self.endpoint()
        found.set_headers(self.read(NewHeaders)["headers"], by=self.actor)
        return Response(EndpointSerializer(found).data)
