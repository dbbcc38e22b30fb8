"""Waiting for the feed: on PostgreSQL the transactions of all databases of a server hold it up, other tests' too."""

from django.db import connection

from dispatch.models import Event
from tests.waiting import wait_for


def wait_until_shown(event_id: str) -> None:
    """Wait until no transaction that is older than the event's own keeps it out of the feed."""
    if connection.vendor == "sqlite":
        return
    position = Event.objects.values_list("feed_position", flat=True).get(pk=event_id)

    def is_shown() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT txid_snapshot_xmin(txid_current_snapshot()) > %s", [position])
            return bool(cursor.fetchone()[0])

    wait_for(is_shown)
