"""Removing endpoints and subscribers: their rows stay, for the log to tell of, and nobody finds them any more.

removed -> emptied   (what was pending for an endpoint is cancelled in the background, in batches)

What was secret goes at once, and so do its event types: nothing that is published comes to it from now on.
"""

from datetime import datetime
from typing import Any

from django.db import models, transaction

from subscriptions import lane_calls
from subscriptions.models.audit import Action, Actor, record_many
from subscriptions.models.endpoint_state import EndpointState

REASON = "It was deleted."


class Removable(models.Model):
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


@transaction.atomic
def remove_endpoints(endpoints: "models.QuerySet[Any]", *, now: datetime, by: Actor) -> None:
    """Remove all of `endpoints`, in a few statements however many there are."""
    # Whoever changes one of them has finished, or begins after this and finds it no more.
    removed = list(endpoints.select_for_update().only("pk", "subscriber"))
    for part in ("event_type_patterns", "signing_secrets", "credentials", "custom_headers", "tls"):
        parts = endpoints.model._meta.get_field(part).related_model._base_manager
        parts.filter(endpoint__in=endpoints.order_by().values("pk")).delete()
    endpoints.update(
        deleted_at=now,
        state=EndpointState.DISABLED,
        state_reason=REASON,
        state_changed_at=now,
        challenge_due_at=None,
        challenge_nonce_hash="",
    )
    if removed:
        record_many(Action.DELETED, removed, by=by)
        transaction.on_commit(lane_calls.call_removed, robust=True)
