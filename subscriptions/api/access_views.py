"""The API's routes of what lets an endpoint's requests in: credentials and custom headers, replaced as a whole."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.serializers import EndpointSerializer, NewCredentials, NewHeaders
from subscriptions.api.single_endpoint import SingleEndpoint


class ReplaceCredentials(SingleEndpoint):
    """Replace an endpoint's credentials, or take them away."""

    @extend_schema(request=NewCredentials, responses=EndpointSerializer)
    def put(self, request: Request, id: str) -> Response:  # noqa: A002
        with self.locked() as found:
            found.set_credentials(self.read(NewCredentials)["credentials"], by=self.actor)
            return self.shown(self.get_object())


class ReplaceHeaders(SingleEndpoint):
    """Replace an endpoint's custom headers."""

    @extend_schema(request=NewHeaders, responses=EndpointSerializer)
    def put(self, request: Request, id: str) -> Response:  # noqa: A002
        with self.locked() as found:
            found.set_headers(self.read(NewHeaders)["headers"], by=self.actor)
            return self.shown(self.get_object())
