"""What answers look like that a view puts together itself. Only for the description of the API."""

from typing import Any

from rest_framework import serializers

from subscriptions.api.serializers import EndpointSerializer, SecretSerializer


class FieldProblemSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    pointer = serializers.CharField(required=False)
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong, and what to do (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldProblemSerializer(many=True)  # type: ignore[assignment]  # DRF takes it off the class


class ShownOnce(serializers.Serializer[Any]):
    """A secret that is not shown again, or where the receiver needs no secret, the public key."""

    secret = serializers.CharField(required=False)
    public_key = serializers.CharField(required=False)


class RegisteredEndpointSerializer(ShownOnce, EndpointSerializer):
    """An endpoint that was made just now, with its signing secret."""


class IssuedSecretSerializer(ShownOnce, SecretSerializer):
    """A signing secret that was made just now."""

    public_key = serializers.CharField(allow_null=True)


class RevealedSecretSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    secret = serializers.CharField()


class EgressIpsSerializer(serializers.Serializer[Any]):
    egress_ips = serializers.ListField(child=serializers.CharField())
