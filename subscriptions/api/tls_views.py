"""The API's routes of TLS and egress: an endpoint's own certificates, and where requests come from."""

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api.serializers import TlsChange, TlsSerializer
from subscriptions.models import Endpoint, EndpointTls


class Tls(APIView):
    """What an endpoint asks of TLS. The client's key goes in, and never comes out."""

    def get(self, request: Request, endpoint: str) -> Response:
        return _shown(EndpointTls.objects.filter(endpoint=_endpoint(endpoint)).first())

    def patch(self, request: Request, endpoint: str) -> Response:
        return _shown(_endpoint(endpoint).set_tls(TlsChange.read(request.data), by=str(request.user)))


class EgressIps(APIView):
    """The networks that requests come from, so that receivers can let them in."""

    def get(self, request: Request) -> Response:
        return Response({"egress_ips": [str(network) for network in settings.WEBHOOKS.egress_ips]})


def _shown(tls: EndpointTls | None) -> Response:
    return Response(TlsSerializer(tls or EndpointTls()).data)


def _endpoint(text: str) -> Endpoint:
    try:
        return Endpoint.objects.get(pk=text)
    except (ObjectDoesNotExist, ValidationError) as error:
        raise NotFound(f"There is no endpoint {text!r}.") from error
