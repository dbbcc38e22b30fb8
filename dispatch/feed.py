"""The feed: one subscriber's events, oldest first, for those who ask instead of being called.

A reader goes on after the last event that he was given. For that no event may turn up behind one that was given
already, and times and ids are no help: they are made before the commit, so that what was made first may be seen last.
On PostgreSQL an event's position is the number of the transaction that wrote it, and shown is only what comes before
the oldest transaction that has not ended: whatever commits later comes after all of that. So a long transaction delays
the feed, and loses nothing. On SQLite writers take turns, and positions are in the order of their commits.
"""

import uuid
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from dispatch.models import Event
from dispatch.sql import execute, to_uuid
from subscriptions import ids
from subscriptions.models import Subscriber

# Events that one page looks at to find those of one type.
_LOOKED_AT = 5_000

# Events for one subscriber and events for all: two scans of one index, whose order is that of the feed. The column
# that is always null is named in the order, as the planner would not see otherwise that the index has it.
_PAGE = """
SELECT id, feed_position, type FROM (
    SELECT * FROM (
        SELECT id, feed_position, type FROM dispatch_event
        WHERE subscriber_id = %s AND (feed_position, id) > (%s, %s) AND feed_position >= 0 {horizon}
        ORDER BY subscriber_id, feed_position, id LIMIT %s) AS own
    UNION ALL
    SELECT * FROM (
        SELECT id, feed_position, type FROM dispatch_event
        WHERE subscriber_id IS NULL AND (feed_position, id) > (%s, %s) AND feed_position >= 0 {horizon}
        ORDER BY subscriber_id, feed_position, id LIMIT %s) AS everybody
) AS found ORDER BY feed_position, id LIMIT %s
"""
_HORIZON = {"postgresql": "AND feed_position < txid_snapshot_xmin(txid_current_snapshot())", "sqlite": ""}


class Place(NamedTuple):
    """A place in the feed: right behind this event."""

    position: int
    event_id: uuid.UUID


BEGINNING = Place(-1, uuid.UUID(int=0))


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, and where the feed goes on after them. With `has_more` there are others already."""

    events: list[Event]
    place: Place
    has_more: bool


def read(subscriber: Subscriber, *, after: Place = BEGINNING, limit: int, event_type: str | None = None) -> Page:
    """Read up to `limit` events for `subscriber`, or for all, behind a place. Fewer does not mean that it has ended."""
    looked_at = limit + 1 if event_type is None else _LOOKED_AT
    scan = [*after, looked_at]
    statement = _PAGE.format(horizon=_HORIZON[connection.vendor])
    rows = execute(statement, [ids.decode("sub", subscriber.pk), *scan, *scan, looked_at])
    wanted = [row for row in rows if event_type in {None, row[2]}]
    shown = wanted[:limit]
    has_more = len(wanted) > limit or (event_type is not None and len(rows) == looked_at)
    # Behind what was not wanted, too, so that nobody looks at it again.
    last = shown[-1:] if len(wanted) > limit else (rows if event_type is not None else shown)[-1:]
    place = Place(last[0][1], to_uuid(last[0][0])) if last else after
    found = Event.objects.in_bulk([ids.encode("evt", to_uuid(row[0])) for row in shown])
    return Page([found[ids.encode("evt", to_uuid(row[0]))] for row in shown], place, has_more)
