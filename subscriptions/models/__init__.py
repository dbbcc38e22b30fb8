from subscriptions.models.api_key import ApiKey, Scope
from subscriptions.models.audit import Action, Actor, AuditEntry
from subscriptions.models.endpoint import Endpoint, EventTypePattern
from subscriptions.models.endpoint_access import CustomHeaders, EndpointCredentials
from subscriptions.models.endpoint_state import EndpointState
from subscriptions.models.endpoint_tls import EndpointTls
from subscriptions.models.event_type import EventType
from subscriptions.models.idempotency import IdempotentAnswer
from subscriptions.models.signing_secret import SigningSecret
from subscriptions.models.subscriber import Subscriber

__all__ = [
    "Action",
    "Actor",
    "ApiKey",
    "AuditEntry",
    "CustomHeaders",
    "Endpoint",
    "EndpointCredentials",
    "EndpointState",
    "EndpointTls",
    "EventType",
    "EventTypePattern",
    "IdempotentAnswer",
    "Scope",
    "SigningSecret",
    "Subscriber",
]
