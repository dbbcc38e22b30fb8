"""The states of a delivery, the moves between them, and the outcomes of an attempt.

created -> pending -> sending -> delivered
             ^           |-----> failed      (schedule exhausted, or a final answer)
             +-----------+                   (retry: next_attempt_at = now + back-off)
           pending -> cancelled              (asked for, or its endpoint is disabled or deleted)
    failed, cancelled -> pending             (retry that was asked for: next_attempt_at = now)
test -> sending -> delivered, failed         (a test event: one attempt, outside of the endpoint's turn)
"""

import enum


class DeliveryStatus(enum.StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


MOVES = {
    DeliveryStatus.PENDING: {DeliveryStatus.SENDING, DeliveryStatus.CANCELLED},
    DeliveryStatus.SENDING: {DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED},
    DeliveryStatus.DELIVERED: set[DeliveryStatus](),
    DeliveryStatus.FAILED: {DeliveryStatus.PENDING},
    DeliveryStatus.CANCELLED: {DeliveryStatus.PENDING},
}
# Nothing is sent any more, unless somebody asks for it.
FINAL = frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED})


class Trigger(enum.StrEnum):
    """Why an attempt was made."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    TEST = "test"


class Outcome(enum.StrEnum):
    """How an attempt ended, in one word that can be filtered by."""

    SUCCESS = "success"
    HTTP_ERROR = "http_error"
    REDIRECT = "redirect"
    ENDPOINT_GONE = "endpoint_gone"
    TIMEOUT = "timeout"
    DNS_ERROR = "dns_error"
    CONNECTION_ERROR = "connection_error"
    TLS_ERROR = "tls_error"
    PROXY_ERROR = "proxy_error"
    PROTOCOL_ERROR = "protocol_error"
    ADDRESS_REFUSED = "address_refused"
    CANNOT_BUILD = "cannot_build"
    CREDENTIALS_FAILED = "credentials_failed"
    WORKER_LOST = "worker_lost"
