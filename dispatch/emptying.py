"""Cancelling what is pending for endpoints that were deleted: in batches, which anybody may go on with at any time.

How far that came stands in the database: what is still to be cancelled is pending, and an endpoint of which all is
cancelled is marked.
"""

import logging
import uuid
from collections.abc import Iterable
from datetime import datetime

from dispatch import outbox
from subscriptions import ids
from subscriptions.models import Endpoint

logger = logging.getLogger(__name__)

NOTE = "The endpoint was deleted."

_to_be_emptied = Endpoint.with_deleted.filter(deleted_at__isnull=False, emptied_at=None)


def is_due() -> bool:
    """Say whether there are deleted endpoints for which something may be pending."""
    return _to_be_emptied.exists()


def empty_all(now: datetime) -> None:
    """Cancel what is pending for deleted endpoints, one endpoint after the other."""
    while (endpoint := _to_be_emptied.order_by("deleted_at").first()) is not None:
        endpoint_id, cancelled = ids.decode("ep", endpoint.pk), 0
        while batch := outbox.cancel_pending(endpoint_id, note=NOTE, now=now):
            cancelled += batch
            logger.info("cancelled %d deliveries of deleted endpoint %s so far", cancelled, endpoint.pk)
        Endpoint.with_deleted.filter(pk=endpoint.pk).update(emptied_at=now)


def deleted_among(endpoint_ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Say which of these endpoints were deleted."""
    named = [ids.encode("ep", each) for each in endpoint_ids]
    if not named:
        return set()
    deleted = Endpoint.with_deleted.filter(pk__in=named, deleted_at__isnull=False)
    return {ids.decode("ep", pk) for pk in deleted.values_list("pk", flat=True)}
