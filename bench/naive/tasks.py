"""Publishing and delivering as one writes it first."""

import base64
import hashlib
import hmac
import json
import time
from functools import partial
from typing import Any

import requests
from django.db import transaction
from django.utils import timezone

from bench.naive import app
from dispatch.models import Attempt, Delivery, Event
from subscriptions.models import Endpoint

_TIMEOUT = 15


def publish_event(event_type: str, data: Any) -> None:
    """Write an event and its deliveries, and send a task for each."""
    with transaction.atomic():
        now = timezone.now()
        event = Event.objects.create(type=event_type, payload=json.dumps(data), created_at=now)
        for endpoint in Endpoint.objects.filter(event_type_patterns__pattern=event_type):
            delivery = Delivery.objects.create(event=event, endpoint=endpoint, created_at=now, next_attempt_at=now)
            transaction.on_commit(partial(deliver.delay, delivery.pk))


@app.task
def deliver(delivery_id: str) -> None:
    """Send one delivery and write down what came of it."""
    delivery = Delivery.objects.select_related("event", "endpoint").get(pk=delivery_id)
    body = delivery.event.payload.encode()
    timestamp = str(int(time.time()))
    secret = delivery.endpoint.signing_secrets.first().value
    signed = b".".join([delivery.event_id.encode(), timestamp.encode(), body])
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    started_at = timezone.now()
    response = requests.post(
        delivery.endpoint.url,
        data=body,
        headers={
            "Content-Type": "application/json",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        },
        timeout=_TIMEOUT,
    )
    finished_at = timezone.now()
    Attempt.objects.create(
        delivery=delivery,
        number=delivery.attempt_count + 1,
        outcome="success" if response.ok else "http_error",
        status_code=response.status_code,
        started_at=started_at,
        duration_ms=round((finished_at - started_at).total_seconds() * 1000),
        response_headers=dict(response.headers),
        response_body=response.text,
    )
    delivery.attempt_count += 1
    delivery.status = "delivered" if response.ok else "failed"
    delivery.next_attempt_at = None
    delivery.finished_at = finished_at
    delivery.last_status_code = response.status_code
    delivery.save()


def enqueue_pending() -> None:
    """Send a task for each delivery that is pending."""
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for delivery_id in Delivery.objects.filter(status="pending").values_list("pk", flat=True):
            deliver.apply_async((delivery_id,), producer=producer)
