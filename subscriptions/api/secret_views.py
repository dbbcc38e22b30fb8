"""The API's routes of an endpoint's signing secrets."""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import Many, OfEndpoint
from subscriptions.api.described import IssuedSecretSerializer, RevealedSecretSerializer
from subscriptions.api.problems import Conflict
from subscriptions.api.serializers import Nothing, Rotation, SecretSerializer
from subscriptions.models import Endpoint, SigningSecret
from subscriptions.signing_secrets import Kind

# No browser or proxy is to keep what is shown once.
UNCACHED = {"Cache-Control": "no-store"}


def shown_once(secret: SigningSecret) -> dict[str, Any]:
    """Return what the receiver needs of a new secret: itself, or the public key. The private one stays here."""
    return {"public_key": secret.public_key} if secret.kind is Kind.ED25519 else {"secret": secret.value}


class Secrets(OfEndpoint, Many[SigningSecret]):
    """All secrets of an endpoint, newest first. Also those that sign no more, all without their texts."""

    queryset = SigningSecret.objects.all()
    serializer_class = SecretSerializer

    def get_queryset(self) -> QuerySet[SigningSecret]:
        return self.endpoint().signing_secrets.all()


class RotateSecret(OfEndpoint):
    """Issue a new signing secret. The ones before sign beside it until the overlap has passed."""

    @extend_schema(request=Rotation, responses={201: IssuedSecretSerializer})
    def post(self, request: Request, endpoint: str) -> Response:
        wanted = self.read(Rotation)
        secret = SigningSecret.objects.rotate(self.endpoint(), now=timezone.now(), by=self.actor, **wanted)
        shown = SecretSerializer(secret).data | shown_once(secret)
        return Response(shown, status.HTTP_201_CREATED, headers=UNCACHED)


class RevealSecret(OfEndpoint):
    """Reveal a signing secret. The audit log says who did."""

    @extend_schema(request=Nothing, responses=RevealedSecretSerializer)
    def post(self, request: Request, endpoint: str, id: str) -> Response:  # noqa: A002
        self.read(Nothing)
        secret = _secret(self.endpoint(), id)
        return Response({"id": secret.id, "secret": secret.reveal(by=self.actor)}, headers=UNCACHED)


class RevealNewestSecret(OfEndpoint):
    """Reveal the secret that signs, or the newest of those. The audit log says who did."""

    @extend_schema(request=Nothing, responses={200: RevealedSecretSerializer, 409: None})
    def post(self, request: Request, endpoint: str) -> Response:
        self.read(Nothing)
        secret = self.endpoint().signing_secrets.valid(timezone.now()).first()
        if secret is None:
            raise Conflict("This endpoint has no valid signing secret. Rotate it to make one.")
        return Response({"id": secret.id, "secret": secret.reveal(by=self.actor)}, headers=UNCACHED)


class ExpireSecret(OfEndpoint):
    """Let a signing secret sign no more from now on."""

    @extend_schema(request=Nothing, responses=SecretSerializer)
    def post(self, request: Request, endpoint: str, id: str) -> Response:  # noqa: A002
        self.read(Nothing)
        secret = _secret(self.endpoint(), id)
        secret.expire(now=timezone.now(), by=self.actor)
        return Response(SecretSerializer(secret).data)


def _secret(endpoint: Endpoint, text: str) -> SigningSecret:
    try:
        return endpoint.signing_secrets.get(pk=text)
    except (ObjectDoesNotExist, ValidationError) as error:
        raise NotFound(f"This endpoint has no signing secret {text!r}.") from error
