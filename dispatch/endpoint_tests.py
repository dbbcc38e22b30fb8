"""Test events: one request to one endpoint, now, by the same door as all others, and logged like them.

A test is an event with a single delivery that is as if claimed from the start, so no pump ever serves it: it does not
wait behind what is due, and it goes to an endpoint that is paused, unverified or disabled as well. It has one attempt.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from dispatch import outbox, wake
from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.engine import Engine, Job
from dispatch.models import Delivery
from dispatch.recording import record
from subscriptions import ids
from subscriptions.models import Endpoint

# What is sent where nobody says what an event of a type looks like.
_EXAMPLE: Mapping[str, Any] = {"test": True}
_PATIENCE = 0.05
_LOOK_INTERVAL = 0.05


def begin(endpoint: Endpoint, event_type: str, data: Any = None, *, now: datetime) -> Delivery:
    """Write a test event for `endpoint`, and have it sent."""
    payload = json.dumps(_EXAMPLE if data is None else data, ensure_ascii=False, separators=(",", ":"))
    _, delivery_id = outbox.insert_test(
        ids.decode("ep", endpoint.pk), event_type, payload, now=now, lease=settings.WEBHOOKS.claim_lease
    )
    transaction.on_commit(lambda: wake.call_test(delivery_id), robust=True)
    return Delivery.objects.get(pk=ids.encode("dlv", delivery_id))


def wait(delivery: Delivery, *, seconds: float) -> bool:
    """Wait for the attempt of a test to end, for some seconds at most. Say whether it has."""
    give_up = time.monotonic() + seconds
    while True:
        delivery.refresh_from_db()
        if delivery.finished_at is not None:
            return True
        if time.monotonic() >= give_up:
            return False
        time.sleep(_LOOK_INTERVAL)


def send(engine: Engine, delivery_id: uuid.UUID) -> None:
    """Send a test, unless somebody else does, and log what came of it."""
    lease, worker = settings.WEBHOOKS.claim_lease, f"{socket.gethostname()}:{os.getpid()}"
    claim = outbox.take_test(delivery_id, now=datetime.now(UTC), lease=lease, worker=worker)
    if claim is None:
        return
    snapshots = EndpointSnapshots().get([claim.endpoint_id], time.monotonic())
    bodies = outbox.payloads([claim.event_id])
    engine.submit(Job(claim, snapshots[claim.endpoint_id], bodies[claim.event_id], time.monotonic() + lease))
    while not engine.is_idle:
        for done in engine.poll(_PATIENCE):
            attempted = record(done, now=datetime.now(UTC), chance=0, worker=worker, is_test=True)
            outbox.insert_heads([attempted.head] if attempted.head else [])
            outbox.finish([attempted])
