"""The API's routes of TLS and egress: an endpoint's own certificates, and where requests come from."""

from django.conf import settings
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api.base import OfEndpoint
from subscriptions.api.described import EgressIpsSerializer
from subscriptions.api.etags import check_match, etag_of
from subscriptions.api.serializers import TlsChange, TlsSerializer
from subscriptions.models import Endpoint, EndpointTls


class Tls(OfEndpoint):
    """What an endpoint asks of TLS. The client's key goes in, and never comes out."""

    @extend_schema(responses=TlsSerializer)
    def get(self, request: Request, endpoint: str) -> Response:
        return _shown(EndpointTls.objects.filter(endpoint=self.endpoint()).first())

    @extend_schema(request=TlsChange, responses=TlsSerializer)
    def patch(self, request: Request, endpoint: str) -> Response:
        with transaction.atomic():
            found = Endpoint.objects.select_for_update().get(pk=self.endpoint().pk)
            check_match(request, _etag(EndpointTls.objects.filter(endpoint=found).first()))
            return _shown(found.set_tls(self.read(TlsChange), by=self.actor))


class EgressIps(APIView):
    """Read the networks that requests come from, so that receivers can let them in. Needs no key."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(responses=EgressIpsSerializer)
    def get(self, request: Request) -> Response:
        return Response({"egress_ips": [str(network) for network in settings.WEBHOOKS.egress_ips]})


def _shown(tls: EndpointTls | None) -> Response:
    return Response(TlsSerializer(tls or EndpointTls()).data, headers={"ETag": _etag(tls)})


def _etag(tls: EndpointTls | None) -> str:
    # The key is not shown, but not changed without a new certificate or a new moment either.
    return etag_of(TlsSerializer(tls or EndpointTls()).data)
