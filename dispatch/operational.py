"""Operational events: what happens to endpoints and deliveries, published to the endpoints of operators.

They are events like all others, but that only the dispatcher publishes them: their types begin with `operational.`, and
they go to subscribers that are operators.
"""

import json
from datetime import datetime
from functools import partial
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from dispatch import outbox, wake
from dispatch.outbox import NewEvent
from subscriptions import ids, patterns
from subscriptions.models import Subscriber

PREFIX = "operational."


def is_reserved(event_type: str) -> bool:
    """Say whether only the dispatcher publishes events of this type."""
    return event_type.startswith(PREFIX)


def publish(event_type: str, data: dict[str, Any], *, now: datetime) -> None:
    """Publish an event to every operator, in the transaction of what it tells of."""
    operators = list(Subscriber.objects.filter(is_operator=True).values_list("pk", flat=True))
    if not operators:
        return
    payload = json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))
    matching = " ".join(patterns.patterns_matching(event_type))
    rows = [
        NewEvent(
            id=ids.uuid7(),
            type=event_type,
            subscriber_id=ids.decode("sub", pk),
            payload=payload,
            idempotency_key=None,
            created_at=now,
            channels="[]",
            ordering_key="",
            patterns=matching,
        )
        for pk in operators
    ]
    fanned_out = outbox.insert_events(rows)
    served = {endpoint_id for each in fanned_out.values() for endpoint_id in each.endpoint_ids}
    transaction.on_commit(partial(wake.wake, served), robust=True)
    if not all(each.is_complete for each in fanned_out.values()):
        transaction.on_commit(wake.call_fan_out, robust=True)
