"""What people ask of one delivery: to be tried now, or to be cancelled."""

from datetime import datetime

from django.db import transaction

from dispatch import outbox, wake
from dispatch.models import Delivery
from dispatch.states import DeliveryStatus, Trigger
from subscriptions import ids
from subscriptions.models import EndpointState


class CannotBeMoved(Exception):
    """A delivery is in no state for what was asked. The message says why, and what to do."""


def retry(delivery: Delivery, *, now: datetime) -> None:
    """Have a delivery tried now: one that waits for its next attempt, has failed or was cancelled.

    Raises `CannotBeMoved`.
    """
    moved = outbox.retry([ids.decode("dlv", delivery.pk)], now=now)
    if not moved:
        raise CannotBeMoved(_why_not_retried(Delivery.objects.select_related("endpoint").get(pk=delivery.pk)))
    transaction.on_commit(lambda: wake.wake(each.endpoint_id for each in moved), robust=True)


def cancel(delivery: Delivery, *, by: str, now: datetime) -> None:
    """Cancel a pending delivery. Raises `CannotBeMoved`."""
    if not outbox.cancel([ids.decode("dlv", delivery.pk)], note=f"Cancelled by {by}.", now=now):
        delivery.refresh_from_db(fields=["status"])
        if delivery.status == DeliveryStatus.SENDING:
            raise CannotBeMoved("The delivery is being sent. If this attempt fails it can be cancelled: try again.")
        raise CannotBeMoved(f"The delivery is {delivery.status}: only one that is pending can be cancelled.")


def _why_not_retried(delivery: Delivery) -> str:
    if delivery.trigger == Trigger.TEST:
        return "This is a test, which has one attempt. Send another test event."
    if delivery.status == DeliveryStatus.DELIVERED:
        return "The delivery has reached its receiver: nothing is sent after a success."
    if delivery.status == DeliveryStatus.SENDING:
        return "The delivery is being sent. If this attempt fails it can be retried: try again."
    if delivery.endpoint.state == EndpointState.DISABLED:
        return "The endpoint is disabled. Enable it first."
    return "The delivery was moved by somebody else. Try again."
