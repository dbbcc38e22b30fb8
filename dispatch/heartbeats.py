"""Heartbeats: when beat, the queues and the sweep last showed that they work. A row for each, written now and then."""

import time
from datetime import UTC, datetime

from dispatch.models import Heartbeat

BEAT, SWEEP = "beat", "sweep"
# Seconds between two of one role in a process.
INTERVAL = 10.0

_noted: dict[str, float] = {}


def note(role: str, *, now: datetime) -> None:
    """Write that `role` works."""
    Heartbeat.objects.update_or_create(role=role, defaults={"at": now})


def note_sometimes(role: str) -> None:
    """Do so unless this process did within the last interval."""
    if time.monotonic() - _noted.get(role, -INTERVAL) >= INTERVAL:
        note(role, now=datetime.now(UTC))
        _noted[role] = time.monotonic()


def note_sweep(*, now: datetime, oldest_due_at: datetime | None) -> None:
    """Write that a sweep went through, and since when the oldest delivery is due that can be sent."""
    Heartbeat.objects.update_or_create(role=SWEEP, defaults={"at": now, "oldest_due_at": oldest_due_at})
