"""The rest of a large fan-out: an event that thousands of endpoints want gets its deliveries in steps.

Each step is a transaction of its own that remembers how far it came, so anybody can go on at any time.
"""

import uuid

from dispatch import outbox, wake
from subscriptions import patterns


def finish_fan_out(event_id: uuid.UUID, event_type: str) -> None:
    """Create the deliveries that are still missing, and wake workers after every step."""
    wanted = " ".join(patterns.patterns_matching(event_type))
    while (fanned_out := outbox.continue_event(event_id, wanted)) is not None:
        wake.wake(fanned_out.endpoint_ids)


def finish_all() -> None:
    """Finish what others began and did not finish."""
    for event_id, event_type in outbox.unfinished_events():
        finish_fan_out(event_id, event_type)
