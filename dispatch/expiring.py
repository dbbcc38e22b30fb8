"""Telling of certificates of endpoints that end soon."""

import logging
from datetime import datetime, timedelta

from dispatch import telling
from subscriptions.models import EndpointTls
from subscriptions.models.endpoint_tls import WARNED_AHEAD
from subscriptions.notices import Happened, NoticeKind

logger = logging.getLogger(__name__)

# What is left when each of the notices of a certificate is due.
STAGES = (WARNED_AHEAD, timedelta(days=3), timedelta(0))


def tell_of_expiring(now: datetime) -> None:
    """Log which certificates end soon, and tell of each two weeks and three days before its end, and after it."""
    for tls in list(EndpointTls.objects.expiring(now)):
        logger.warning("endpoint %s: %s", tls.endpoint_id, " ".join(tls.warnings(now)))
        for cause, what, subject, ends in (
            ("ca_certificate", "CA certificate", tls.ca_subject, tls.ca_expires_at),
            ("client_certificate", "client certificate", tls.client_subject, tls.client_expires_at),
        ):
            if ends is not None and ends - now <= WARNED_AHEAD:
                _tell(tls, cause, what, subject, ends, now)


def _tell(tls: EndpointTls, cause: str, what: str, subject: str, ends: datetime, now: datetime) -> None:
    stage = max(number for number, left in enumerate(STAGES) if ends - now <= left)
    telling.tell(
        Happened(
            NoticeKind.CERTIFICATE_EXPIRING,
            cause,
            f"Its {what} {'expired' if ends <= now else 'expires'} on {ends:%Y-%m-%d}.",
            now,
            tls.endpoint_id,
            {"certificate": cause, "subject": subject, "expires_at": ends},
            once=f"{tls.pk} {cause} {ends.isoformat()} {stage}",
        )
    )
