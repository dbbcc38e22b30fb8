"""Attempts as command lines: as they were sent, with their secrets masked, or signed once more."""

import time
from datetime import datetime

from dispatch import bodies, curl, heads
from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.heads import timestamp_of
from dispatch.models import Attempt, RequestHead
from dispatch.signing import NothingToSignWith, signature_headers
from subscriptions import ids
from subscriptions.models import audit
from subscriptions.models.audit import Actor
from subscriptions.payload_format import PayloadFormat


class CannotBeSigned(Exception):
    """A request cannot be signed again. The message says why."""


def headers_of(attempt: Attempt, *, at: datetime | None = None) -> dict[str, str] | None:
    """Return the headers that an attempt had, or would have `at` another time. None where no request is known of."""
    head, moment = attempt.request_head, at or attempt.started_at
    if head is None:
        return None
    body, event_id = body_of(attempt, head), attempt.delivery.event_id
    return dict(heads.as_sent(head.headers, message_id=event_id, started_at=moment, body=body, url=head.url))


def as_sent(attempt: Attempt) -> str | None:
    """Write the command line of an attempt, with a shortened URL and its secrets masked."""
    headers, head = headers_of(attempt), attempt.request_head
    if headers is None or head is None:
        return None
    return curl.command(head.url, headers.items(), body_of(attempt, head).decode())


def signed_again(attempt: Attempt, *, by: Actor, now: datetime) -> str:
    """Write the command line that sends the same again: to the endpoint's URL, signed now with its secrets.

    Credentials and custom headers stay masked. Is remembered in the audit log. Raises `CannotBeSigned`.
    """
    headers, head = headers_of(attempt, at=now), attempt.request_head
    if headers is None or head is None:
        raise CannotBeSigned("Nothing is known of this attempt's request.")
    endpoint, body = attempt.delivery.endpoint, body_of(attempt, head)
    lane = ids.decode("ep", endpoint.pk)
    signer = EndpointSnapshots().get([lane], time.monotonic())[lane].signer
    try:
        signed = signature_headers(signer, message_id=attempt.delivery.event_id, timestamp=timestamp_of(now), body=body)
    except NothingToSignWith as error:
        raise CannotBeSigned(str(error)) from error
    audit.record(audit.Action.REVEALED, endpoint, by=by, detail=f"Attempt {attempt.pk}, signed again.")
    new = {name.lower() for name in signed}
    kept = {name: value for name, value in headers.items() if name.lower() not in new}
    return curl.command(endpoint.url, {**kept, **signed}.items(), body.decode())


def body_of(attempt: Attempt, head: RequestHead) -> bytes:
    """Render the body of an attempt's request, in the format that it had."""
    event = attempt.delivery.event
    return bodies.render(
        PayloadFormat(head.payload_format),
        event_id=event.pk,
        event_type=event.type,
        created_at=event.created_at,
        payload=event.payload,
    )
