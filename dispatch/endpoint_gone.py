"""What happens to an endpoint whose receiver says that it is gone, or does not work for days."""

import uuid
from datetime import datetime

from dispatch import outbox
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState
from subscriptions.models.audit import DISPATCHER
from subscriptions.models.flow_control import WhenDisabled

_GONE = "The receiver answered 410 Gone."
_CAUSE = "gone"


def disable_gone(endpoint_id: uuid.UUID, now: datetime) -> None:
    """Disable an endpoint whose receiver answered that it is gone."""
    disable(endpoint_id, reason=_GONE, cause=_CAUSE, now=now)


def disable(endpoint_id: uuid.UUID, *, reason: str, cause: str, now: datetime) -> None:
    """Disable the endpoint and cancel what is pending for it, unless that is to be kept.

    A large backlog is cancelled by the sweeps.
    """
    endpoint = Endpoint.objects.filter(id=ids.encode("ep", endpoint_id)).first()
    if endpoint is None:
        # Deleted meanwhile, which cancels what is pending too.
        return
    if endpoint.state != EndpointState.DISABLED:
        endpoint.change_state(EndpointState.DISABLED, reason=reason, now=now, by=DISPATCHER, cause=cause)
    if endpoint.when_disabled == WhenDisabled.DROP:
        outbox.cancel_pending(endpoint_id, note=f"The endpoint was disabled: {reason}", now=now)
