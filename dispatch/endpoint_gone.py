"""What happens to an endpoint whose receiver says that it is gone."""

import logging
import uuid
from datetime import datetime

from dispatch import outbox
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState
from subscriptions.models.audit import DISPATCHER

logger = logging.getLogger(__name__)

_REASON = "The receiver answered 410 Gone."


def disable_gone(endpoint_id: uuid.UUID, now: datetime) -> None:
    """Disable the endpoint and cancel what is pending for it. A large backlog is cancelled by the sweeps."""
    endpoint = Endpoint.objects.filter(id=ids.encode("ep", endpoint_id)).first()
    if endpoint is None:
        # Deleted meanwhile, which cancels what is pending too.
        return
    if endpoint.state != EndpointState.DISABLED:
        endpoint.change_state(EndpointState.DISABLED, reason=_REASON, now=now, by=DISPATCHER)
        logger.warning("disabled endpoint %s: %s", endpoint.id, _REASON)
    outbox.cancel_pending(endpoint_id, note=f"The endpoint was disabled: {_REASON}", now=now)
