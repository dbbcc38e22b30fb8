from subscriptions.models.api_key import ApiKey
from subscriptions.models.endpoint import Endpoint, EndpointState, EventTypePattern, SignatureScheme
from subscriptions.models.event_type import EventType
from subscriptions.models.signing_secret import SigningSecret
from subscriptions.models.subscriber import Subscriber

__all__ = [
    "ApiKey",
    "Endpoint",
    "EndpointState",
    "EventType",
    "EventTypePattern",
    "SignatureScheme",
    "SigningSecret",
    "Subscriber",
]
