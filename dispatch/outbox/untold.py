"""Deliveries that have failed for good without anybody having been told."""

import uuid
from datetime import datetime
from typing import NamedTuple

from dispatch.sql import execute, to_time, to_uuid

# The index holds only what is wanted here, so that looking costs nothing where nothing has failed.
_TAKE = """
UPDATE dispatch_delivery SET told_attempts = attempt_count
WHERE id IN (SELECT id FROM dispatch_delivery WHERE status = 'failed' AND attempt_count > told_attempts
             ORDER BY id LIMIT %s)
RETURNING id, endpoint_id, last_outcome, finished_at
"""


class Untold(NamedTuple):
    """A delivery that has failed for good."""

    delivery_id: uuid.UUID
    endpoint_id: uuid.UUID
    outcome: str
    failed_at: datetime


def take_untold(limit: int) -> list[Untold]:
    """Mark up to `limit` of them as told, the oldest first, and return them. Inside a transaction."""
    rows = execute(_TAKE, [limit])
    return sorted(Untold(to_uuid(row[0]), to_uuid(row[1]), row[2], to_time(row[3])) for row in rows)
