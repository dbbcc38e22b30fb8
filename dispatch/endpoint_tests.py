"""Test events: one request to one endpoint, now, by the same door as all others, and logged like them.

A test is an event with a single delivery that is as if claimed from the start, so no pump ever serves it: it does not
wait behind what is due, and it goes to an endpoint that is paused, unverified or disabled as well. It has one attempt.
"""

import os
import socket
import time
import uuid
from datetime import UTC, datetime

from django.conf import settings

from dispatch import outbox
from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.engine import Engine, Job
from dispatch.recording import record
from dispatch.rendering import bodies_of

_PATIENCE = 0.05


def send(engine: Engine, delivery_id: uuid.UUID) -> None:
    """Send a test, unless somebody else does, and log what came of it."""
    lease, worker = settings.WEBHOOKS.claim_lease, f"{socket.gethostname()}:{os.getpid()}"
    claim = outbox.take_test(delivery_id, now=datetime.now(UTC), lease=lease, worker=worker)
    if claim is None:
        return
    snapshots = EndpointSnapshots().get([claim.endpoint_id], time.monotonic())
    [(_, body)] = bodies_of([claim], snapshots)
    engine.submit(Job(claim, snapshots[claim.endpoint_id], body, time.monotonic() + lease))
    while not engine.is_idle:
        for done in engine.poll(_PATIENCE):
            attempted = record(done, now=datetime.now(UTC), chance=0, worker=worker, is_test=True)
            outbox.insert_heads([attempted.head] if attempted.head else [])
            outbox.finish([attempted])
