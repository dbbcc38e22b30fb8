"""The API's routes of what lets an endpoint's requests in: credentials and custom headers, replaced as a whole."""

from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.serializers import NewCredentials, NewHeaders
from subscriptions.api.single_endpoint import SingleEndpoint


class ReplaceCredentials(SingleEndpoint):
    def put(self, request: Request, id: str) -> Response:  # noqa: A002
        with self.locked() as found:
            found.set_credentials(self.read(NewCredentials)["credentials"], by=self.actor)
            return self.shown(self.get_object())


class ReplaceHeaders(SingleEndpoint):
    def put(self, request: Request, id: str) -> Response:  # noqa: A002
        with self.locked() as found:
            found.set_headers(self.read(NewHeaders)["headers"], by=self.actor)
            return self.shown(self.get_object())
