"""Request bodies: what of an event is sent, in the format that its endpoint wants. Pure.

The same event gives the same bytes whenever it is rendered: they are signed, and stay the same in every attempt.
"""

import json
from datetime import UTC, datetime

from subscriptions.payload_format import PayloadFormat


def render(form: PayloadFormat, *, event_id: str, event_type: str, created_at: datetime, payload: str) -> bytes:
    """Write the body of an event's requests. `payload` is its data as JSON text, and is taken over as it stands.

    >>> moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> render(PayloadFormat.FULL, event_id="evt_1", event_type="a.b", created_at=moment, payload="[1]")
    b'{"id":"evt_1","type":"a.b","timestamp":"2026-03-01T12:00:00.000000Z","data":[1]}'
    """
    if form is PayloadFormat.DATA:
        return payload.encode()
    timestamp = created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    head = json.dumps({"id": event_id, "type": event_type, "timestamp": timestamp}, separators=(",", ":"))
    return (head if form is PayloadFormat.THIN else f'{head[:-1]},"data":{payload}}}').encode()
