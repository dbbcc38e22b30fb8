from subscriptions.models.api_key import ApiKey
from subscriptions.models.endpoint import Endpoint, EventTypePattern
from subscriptions.models.endpoint_access import CustomHeaders, EndpointCredentials
from subscriptions.models.endpoint_state import EndpointState
from subscriptions.models.endpoint_tls import EndpointTls
from subscriptions.models.event_type import EventType
from subscriptions.models.secret_audit import SecretAction, SecretAuditEntry
from subscriptions.models.signing_secret import SigningSecret
from subscriptions.models.subscriber import Subscriber

__all__ = [
    "ApiKey",
    "CustomHeaders",
    "Endpoint",
    "EndpointCredentials",
    "EndpointState",
    "EndpointTls",
    "EventType",
    "EventTypePattern",
    "SecretAction",
    "SecretAuditEntry",
    "SigningSecret",
    "Subscriber",
]
