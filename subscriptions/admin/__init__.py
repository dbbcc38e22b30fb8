from subscriptions.admin.api_key import ApiKeyAdmin
from subscriptions.admin.audit import AuditEntryAdmin
from subscriptions.admin.endpoint import EndpointAdmin
from subscriptions.admin.event_type import EventTypeAdmin
from subscriptions.admin.signing_secret import SigningSecretAdmin
from subscriptions.admin.subscriber import SubscriberAdmin
from subscriptions.admin.users import GroupPages, UserPages

__all__ = [
    "ApiKeyAdmin",
    "AuditEntryAdmin",
    "EndpointAdmin",
    "EventTypeAdmin",
    "GroupPages",
    "SigningSecretAdmin",
    "SubscriberAdmin",
    "UserPages",
]
