"""A factory per model. Rows are written as they are given: publish with `publish_event` to get deliveries."""

from datetime import UTC, datetime
from typing import Any

import factory

from dispatch.models import Attempt, BulkJob, Delivery, Event, Mail, Notice
from dispatch.states import Outcome
from subscriptions import ids, signing_secrets
from subscriptions.models import (
    Action,
    ApiKey,
    AuditEntry,
    CustomHeaders,
    Endpoint,
    EndpointCredentials,
    EventType,
    EventTypePattern,
    SigningSecret,
    Subscriber,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class SubscriberFactory(factory.django.DjangoModelFactory[Subscriber]):
    class Meta:
        model = Subscriber

    name = factory.Sequence(lambda n: f"Subscriber {n}")


class EventTypeFactory(factory.django.DjangoModelFactory[EventType]):
    class Meta:
        model = EventType

    name = factory.Sequence(lambda n: f"invoice.paid-{n}")


class EndpointFactory(factory.django.DjangoModelFactory[Endpoint]):
    """An endpoint with one signing secret, which wants every event type unless `event_types` names some."""

    class Meta:
        model = Endpoint
        skip_postgeneration_save = True

    subscriber = factory.SubFactory(SubscriberFactory)
    url = factory.Sequence(lambda n: f"https://receiver.example/hooks/{n}")
    secret = factory.RelatedFactory("tests.factories.SigningSecretFactory", factory_related_name="endpoint")

    @factory.post_generation
    def event_types(self: Any, create: bool, extracted: list[str] | None, **_: Any) -> None:
        self.set_event_types(extracted or ["*"])


class EndpointCredentialsFactory(factory.django.DjangoModelFactory[EndpointCredentials]):
    """A bearer token."""

    class Meta:
        model = EndpointCredentials

    endpoint = factory.SubFactory(EndpointFactory)
    kind = "bearer"
    secret = factory.Sequence(lambda n: f"token-of-theirs-{n}")


class CustomHeadersFactory(factory.django.DjangoModelFactory[CustomHeaders]):
    class Meta:
        model = CustomHeaders

    endpoint = factory.SubFactory(EndpointFactory)
    headers = factory.LazyFunction(lambda: {"X-Tenant": "7"})
    names = factory.LazyAttribute(lambda row: list(row.headers))


class EventTypePatternFactory(factory.django.DjangoModelFactory[EventTypePattern]):
    class Meta:
        model = EventTypePattern

    endpoint = factory.SubFactory(EndpointFactory, event_types=["unused"])
    pattern = "*"


class SigningSecretFactory(factory.django.DjangoModelFactory[SigningSecret]):
    class Meta:
        model = SigningSecret

    endpoint = factory.SubFactory(EndpointFactory, secret=None)
    value = factory.LazyFunction(signing_secrets.generate)


class AuditEntryFactory(factory.django.DjangoModelFactory[AuditEntry]):
    """An entry about a secret that is gone."""

    class Meta:
        model = AuditEntry

    action = Action.REVEALED.value
    object_type = "signing_secret"
    object_id = factory.LazyFunction(lambda: ids.encode("sec", ids.uuid7()))
    endpoint = factory.LazyFunction(lambda: ids.encode("ep", ids.uuid7()))
    actor = "user ada"


class ApiKeyFactory(factory.django.DjangoModelFactory[ApiKey]):
    """A key whose text nobody knows. `ApiKey.objects.generate` makes one that can be used."""

    class Meta:
        model = ApiKey

    name = factory.Sequence(lambda n: f"Key {n}")
    prefix = "whk_AAAAAAAA"
    hash = factory.Sequence(lambda n: f"{n:064x}")


class EventFactory(factory.django.DjangoModelFactory[Event]):
    class Meta:
        model = Event

    type = "invoice.paid"
    payload = '{"amount":100}'
    created_at = NOON


class DeliveryFactory(factory.django.DjangoModelFactory[Delivery]):
    """A pending delivery that is due."""

    class Meta:
        model = Delivery

    event = factory.SubFactory(EventFactory)
    endpoint = factory.SubFactory(EndpointFactory)
    next_attempt_at = factory.SelfAttribute("created_at")
    created_at = NOON


class AttemptFactory(factory.django.DjangoModelFactory[Attempt]):
    """An attempt that succeeded. Its delivery is left as it is."""

    class Meta:
        model = Attempt

    delivery = factory.SubFactory(DeliveryFactory)
    number = 1
    outcome = Outcome.SUCCESS.value
    status_code = 200
    started_at = NOON
    duration_ms = 12
    remote_address = "192.0.2.1:443"
    response_headers = factory.LazyFunction(lambda: {"Content-Type": "text/plain"})
    response_body = "ok"
    worker = "worker-1"


class BulkJobFactory(factory.django.DjangoModelFactory[BulkJob]):
    """A job that has just been asked for, of one delivery that has failed."""

    class Meta:
        model = BulkJob

    action = "retry"
    filters = factory.LazyFunction(lambda: {"status": "failed"})
    asked_by = "API key tests"
    total = 1
    until = factory.LazyFunction(ids.uuid7)
    created_at = NOON


class NoticeFactory(factory.django.DjangoModelFactory[Notice]):
    """A notice of an endpoint that was disabled, which is to be mailed."""

    class Meta:
        model = Notice

    kind = "endpoint.disabled"
    cause = "gone"
    endpoint = factory.SubFactory(EndpointFactory)
    reason = "The receiver answered 410 Gone."
    data = factory.LazyFunction(lambda: {"type": "operational.endpoint.disabled"})
    occurred_at = NOON


class MailFactory(factory.django.DjangoModelFactory[Mail]):
    """A mail that is due."""

    class Meta:
        model = Mail

    address = "ada@example.com"
    subject = "[webhooks] Endpoint disabled"
    body = "This is what has happened.\n"
    created_at = NOON
    due_at = NOON
