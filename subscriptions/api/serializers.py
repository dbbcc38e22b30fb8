"""What the API takes and gives for subscribers, endpoints and event types."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from subscriptions.api.fields import (
    NUMBERS,
    OBJECT,
    STRINGS,
    STRINGS_BY_NAME,
    AnyJsonField,
    IsEmptyField,
    SubscriberField,
    TextField,
    TrueOrFalseField,
    WantedTypeField,
    WholeNumberField,
    WordField,
)
from subscriptions.api.flow_fields import ShowsFlow, ShowsRateLimit, TakesFlow, TakesRateLimit
from subscriptions.models import Endpoint, EndpointState, EndpointTls, EventType, SigningSecret, Subscriber
from subscriptions.models.endpoint_access import shown_credentials, shown_header_names
from subscriptions.payload_format import PayloadFormat
from subscriptions.signing_secrets import Kind

SCHEMES = {"type": "array", "items": {"anyOf": [{"type": "string"}, OBJECT]}}


class KindField(WordField):
    """The kind of a signing secret."""

    def __init__(self, **options: Any) -> None:
        super().__init__([str(kind) for kind in Kind], **options)

    def to_internal_value(self, data: Any) -> Kind:
        return Kind(super().to_internal_value(data))


class PemField(TextField):
    """Certificates, a key, or what is said of them. Nothing is null."""

    def __init__(self) -> None:
        super().__init__(required=False, allow_null=True, trim_whitespace=False)

    def to_representation(self, value: str) -> Any:
        return value or None


class Input(serializers.Serializer[Any]):
    """What a caller sends: unknown fields are an error, as a misspelt one would otherwise do nothing, silently."""

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """Check `data` and return it by field. Raises DRF's `ValidationError`."""
        if not isinstance(data, Mapping):
            raise serializers.ValidationError("Send a JSON object.")
        return dict(_reader(cls).run_validation(data))

    def to_internal_value(self, data: Mapping[str, Any]) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError("Send a JSON object.")
        errors: dict[str, Any] = {}
        values: Any = {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors = dict(error.detail) if isinstance(error.detail, dict) else {"": error.detail}
        unknown = [name for name in data if name not in self.fields]
        errors |= {str(name): ["There is no such field."] for name in unknown}
        if errors:
            raise serializers.ValidationError(errors)
        return values


@cache
def _reader(kind: type[Input]) -> Input:
    # One for all requests: it keeps nothing of what it reads, and a copy of each field took longer than reading.
    return kind()


class SubscriberSerializer(ShowsRateLimit, serializers.Serializer[Subscriber]):
    id = serializers.CharField()
    uid = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    contact_email = serializers.CharField()
    metadata = AnyJsonField(shape=STRINGS_BY_NAME)
    is_operator = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class SubscriberChange(TakesRateLimit, Input):
    name = TextField(required=False)
    uid = TextField(required=False, allow_null=True)
    contact_email = TextField(required=False, allow_blank=True)
    metadata = AnyJsonField(shape=STRINGS_BY_NAME, required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample("A customer", {"name": "Acme", "uid": "acme", "metadata": {"plan": "pro"}}, request_only=True)
    ]
)
class NewSubscriber(SubscriberChange):
    name = TextField()
    # Only here: whom operational events go to is not changed with a subscriber's other fields.
    is_operator = TrueOrFalseField(required=False)


class EventTypeSerializer(serializers.Serializer[EventType]):
    id = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    group = serializers.CharField()
    schema = AnyJsonField(shape=OBJECT, allow_null=True)
    enforce_schema = serializers.BooleanField()
    example = AnyJsonField()
    archived = serializers.BooleanField()
    archived_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class EventTypeInput(Input):
    description = TextField(required=False, allow_blank=True)
    group = TextField(required=False, allow_blank=True)
    schema = AnyJsonField(shape=OBJECT, required=False, allow_null=True)
    enforce_schema = TrueOrFalseField(required=False)
    example = AnyJsonField(required=False, allow_null=True)


class NewEventType(EventTypeInput):
    name = TextField()


class EventTypeChange(EventTypeInput):
    archived = TrueOrFalseField(required=False)


class ChallengeSerializer(serializers.Serializer[Endpoint]):
    """What became of the challenge that an endpoint has to answer."""

    tries = serializers.IntegerField(source="challenge_tries")
    tried_at = serializers.DateTimeField(source="challenge_tried_at", allow_null=True)
    outcome = serializers.CharField(source="challenge_outcome", allow_null=True)
    error = serializers.CharField(source="challenge_error", allow_null=True)
    next_try_at = serializers.DateTimeField(source="next_challenge_at", allow_null=True)


class EndpointSerializer(ShowsFlow, serializers.Serializer[Endpoint]):
    """An endpoint as everybody with a key may see it: without its secrets."""

    id = serializers.CharField()
    subscriber = serializers.CharField(source="subscriber_id")
    url = serializers.CharField()
    description = serializers.CharField()
    event_types = serializers.ListField(child=serializers.CharField())
    channels = AnyJsonField(shape=STRINGS)
    payload_format = serializers.CharField()
    retry_schedule = AnyJsonField(shape=NUMBERS, allow_null=True)
    timeout = serializers.IntegerField(allow_null=True)
    metadata = AnyJsonField(shape=STRINGS_BY_NAME)
    signature_schemes = AnyJsonField(shape=SCHEMES)
    warnings = serializers.ListField(child=serializers.CharField(), source="schemes.warnings")
    state = WordField(EndpointState.choices)
    state_reason = serializers.CharField()
    # Of what lets requests in, only what is no secret.
    credentials = serializers.SerializerMethodField()
    header_names = serializers.SerializerMethodField()
    state_changed_at = serializers.DateTimeField(allow_null=True)
    verified_at = serializers.DateTimeField(allow_null=True)
    challenge = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    @extend_schema_field(ChallengeSerializer(allow_null=True))
    def get_challenge(self, endpoint: Endpoint) -> dict[str, Any] | None:
        return dict(ChallengeSerializer(endpoint).data) if endpoint.is_challenged else None

    def get_credentials(self, endpoint: Endpoint) -> dict[str, str] | None:
        shown = shown_credentials(endpoint)
        return None if shown is None else dict(shown)

    def get_header_names(self, endpoint: Endpoint) -> list[str]:
        return shown_header_names(endpoint)


class TlsChange(Input):
    """Certificates of an endpoint's own. What is left out stays, null takes away."""

    ca_certificate = PemField()
    client_certificate = PemField()
    client_key = PemField()


class EndpointChange(TakesFlow, Input):
    """What can be changed of an endpoint by itself. What is left out stays."""

    url = TextField(required=False)
    event_types = serializers.ListField(child=TextField(), required=False, allow_empty=False)
    channels = AnyJsonField(shape=STRINGS, required=False)
    payload_format = WordField([str(each) for each in PayloadFormat], required=False)
    retry_schedule = AnyJsonField(shape=NUMBERS, required=False, allow_null=True)
    timeout = WholeNumberField(required=False, allow_null=True)
    metadata = AnyJsonField(shape=STRINGS_BY_NAME, required=False)
    signature_schemes = AnyJsonField(shape=SCHEMES, required=False)
    description = TextField(required=False, allow_blank=True)
    credentials = AnyJsonField(shape=OBJECT, required=False, allow_null=True)
    headers = AnyJsonField(shape=STRINGS_BY_NAME, required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "All about invoices",
            {"subscriber": "acme", "url": "https://acme.example/hooks", "event_types": ["invoice.*"]},
            request_only=True,
        )
    ]
)
class NewEndpoint(EndpointChange):
    subscriber = SubscriberField()
    url = TextField()
    secret = TextField(required=False, trim_whitespace=False)
    secret_kind = KindField(required=False)
    tls = TlsChange(required=False)


class TlsSerializer(serializers.Serializer[EndpointTls]):
    """An endpoint's own certificates, without the key."""

    ca_certificate = PemField()
    ca_subject = PemField()
    ca_expires_at = serializers.DateTimeField(allow_null=True)
    client_certificate = PemField()
    client_subject = PemField()
    client_expires_at = serializers.DateTimeField(allow_null=True)
    warnings = serializers.SerializerMethodField()
    changed_at = serializers.DateTimeField(allow_null=True)

    def get_warnings(self, tls: EndpointTls) -> list[str]:
        return tls.warnings(timezone.now())


class NewCredentials(Input):
    """Credentials instead of those that an endpoint has, or null for none."""

    credentials = AnyJsonField(shape=OBJECT, allow_null=True)


class NewHeaders(Input):
    """Custom headers, values by name, instead of those that an endpoint has."""

    headers = AnyJsonField(shape=STRINGS_BY_NAME)


class SecretSerializer(serializers.Serializer[SigningSecret]):
    """A signing secret without its text."""

    id = serializers.CharField()
    kind = serializers.CharField()
    public_key = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)


class Rotation(Input):
    overlap = WholeNumberField(required=False, min_value=0, max_value=10**6)
    secret = TextField(required=False, trim_whitespace=False, source="text")
    secret_kind = KindField(required=False)

    def validate_overlap(self, seconds: int) -> timedelta:
        return timedelta(seconds=seconds)


class Nothing(Input):
    """For requests that say all in their address."""


class NoFilters(Input):
    """For lists that cannot be filtered."""


class Reason(Input):
    reason = TextField(required=False, allow_blank=True, max_length=200)


class EndpointFilters(Input):
    subscriber = SubscriberField(required=False)
    state = WordField(EndpointState.choices, required=False)
    event_type = WantedTypeField(required=False, source="pk__in")


class SubscriberFilters(Input):
    uid = TextField(required=False)
    name = TextField(required=False, source="name__istartswith")


class EventTypeFilters(Input):
    group = TextField(required=False)
    archived = IsEmptyField(required=False, source="archived_at__isnull")
