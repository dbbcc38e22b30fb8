"""The API's routes of its own keys, for admins."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import ADMINS, Many, One, Single
from subscriptions.api.fields import MomentField, SubscriberField, TextField, WholeNumberField, WordField
from subscriptions.api.problems import Conflict
from subscriptions.api.secret_views import UNCACHED
from subscriptions.api.serializers import Input, Nothing
from subscriptions.models import ApiKey, Scope


class ApiKeySerializer(serializers.Serializer[ApiKey]):
    """A key without its text."""

    id = serializers.CharField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scope = WordField(Scope.choices)
    subscriber = serializers.CharField(source="subscriber_id", allow_null=True)
    rate_limit = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class IssuedApiKeySerializer(ApiKeySerializer):
    """A key that was made just now, with its text, which is not shown again."""

    key = serializers.CharField()


class NewApiKey(Input):
    name = TextField(max_length=200)
    scope = WordField(Scope.choices)
    subscriber = SubscriberField(required=False)
    expires_at = MomentField(required=False, allow_null=True)
    rate_limit = WholeNumberField(required=False, allow_null=True, min_value=0, max_value=10**6)


class ApiKeyFilters(Input):
    scope = WordField(Scope.choices, required=False)
    subscriber = SubscriberField(required=False)


class NewEnd(Input):
    expires_at = MomentField(allow_null=True)


class ApiKeys(Many[ApiKey]):
    queryset = ApiKey.objects.all()
    serializer_class = ApiKeySerializer
    filters = ApiKeyFilters
    tenant = None
    readers = ADMINS

    @extend_schema(request=NewApiKey, responses={201: IssuedApiKeySerializer})
    def post(self, request: Request) -> Response:
        api_key, text = ApiKey.objects.generate(**self.read(NewApiKey), by=self.actor)
        shown = ApiKeySerializer(api_key).data | {"key": text}
        return Response(shown, status.HTTP_201_CREATED, headers=UNCACHED)


class _OneKey(Single[ApiKey]):
    queryset = ApiKey.objects.all()
    serializer_class = ApiKeySerializer
    tenant = None
    readers = ADMINS


class OneApiKey(_OneKey, One[ApiKey]):
    """A key that can be read."""


class RevokeApiKey(_OneKey):
    """Revoke a key at once, for good."""

    @extend_schema(request=Nothing, responses=ApiKeySerializer)
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        self.read(Nothing)
        with self.locked() as api_key:
            if api_key.revoked_at is None:
                api_key.revoke(timezone.now(), by=self.actor)
            return self.shown(api_key)


class ExpireApiKey(_OneKey):
    """Let a key end at a moment. At once with one that has passed; with null not before it is revoked."""

    @extend_schema(request=NewEnd, responses={200: ApiKeySerializer, 409: None})
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        wanted = self.read(NewEnd)
        with self.locked() as api_key:
            if api_key.revoked_at is not None:
                raise Conflict("The key was revoked. Create another one.")
            api_key.expire(wanted["expires_at"], by=self.actor)
            return self.shown(api_key)
