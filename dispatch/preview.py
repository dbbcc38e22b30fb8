"""What would come of an event, before it is published: who gets it, who does not and why, and the signed requests."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from dispatch import bodies, engine, heads
from dispatch.endpoint_snapshots import EndpointSnapshot, EndpointSnapshots
from dispatch.heads import timestamp_of
from dispatch.models import Event
from dispatch.publish import Wanted, draft_event
from dispatch.signing import signature_headers
from dispatch.waiting import why_endpoint_waits
from dispatch.why import why_unwanted
from subscriptions import ids, patterns, payload_schemas
from subscriptions.models import Endpoint, EndpointState, EventType, audit
from subscriptions.models.audit import Actor
from subscriptions.models.flow_control import WhenDisabled

# Endpoints that are shown: as many that get the event, and as many that don't.
SHOWN = 20
# Endpoints that want the event's type and are looked at. Only publishing looks at all.
_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would become of the event at one endpoint, in a sentence, and the request that it would get.

    `problem` says why there can be no request.
    """

    endpoint: Endpoint
    sentence: str
    url: str = ""
    headers: Sequence[tuple[str, str]] = ()
    body: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would come of publishing `event`, which is not stored.

    `matching` counts the endpoints that get it, `has_more` if there are more than were counted. `unfit` says what a
    schema that nobody enforces would have otherwise.
    """

    event: Event
    matching: int
    has_more: bool
    prospects: Sequence[Prospect]
    others: Sequence[Prospect]
    unfit: str | None


def preview(wanted: Wanted, *, now: datetime, signed_for: Actor | None) -> Preview:
    """Say what would come of publishing. Raises `PublishRefused` as publishing would.

    Requests are signed for real, as they would be now. For `signed_for`, who may see what secrets make, that is shown
    and remembered in the audit log; otherwise signatures are masked. Credentials and custom headers always are.
    """
    event = draft_event(wanted, now=now)
    endpoints = Endpoint.objects.select_related("subscriber").prefetch_related("event_type_patterns").order_by("pk")
    if event.subscriber_id is not None:
        endpoints = endpoints.filter(subscriber=event.subscriber_id)
    of_type = Endpoint.objects.filter(event_type_patterns__pattern__in=patterns.patterns_matching(event.type))
    looked_at = list(endpoints.filter(pk__in=of_type.values("pk"))[: _LOOKED_AT + 1])
    has_more = len(looked_at) > _LOOKED_AT
    unwanted = [(endpoint, why_unwanted(event, endpoint)) for endpoint in looked_at[:_LOOKED_AT]]
    matching = [endpoint for endpoint, answer in unwanted if answer is None]
    by_channels = [(endpoint, answer) for endpoint, answer in unwanted if answer is not None]
    by_type = [(each, why_unwanted(event, each)) for each in endpoints.exclude(pk__in=of_type.values("pk"))[:SHOWN]]
    return Preview(
        event,
        len(matching),
        has_more,
        _prospects(event, matching[:SHOWN], now, signed_for),
        [
            Prospect(endpoint, answer.sentence if answer else "")
            for endpoint, answer in [*by_channels, *by_type][:SHOWN]
        ],
        _unfit(wanted),
    )


def _prospects(
    event: Event, endpoints: Sequence[Endpoint], now: datetime, signed_for: Actor | None
) -> Sequence[Prospect]:
    lanes = {ids.decode("ep", endpoint.pk): endpoint for endpoint in endpoints}
    snapshots = EndpointSnapshots().get(lanes, time.monotonic())
    with transaction.atomic():
        return [_prospect(event, lanes[lane], snapshot, now, signed_for) for lane, snapshot in snapshots.items()]


def _prospect(
    event: Event, endpoint: Endpoint, snapshot: EndpointSnapshot, now: datetime, signed_for: Actor | None
) -> Prospect:
    sentence = _fate(event, endpoint, now)
    timestamp = timestamp_of(now)
    body = bodies.render(
        snapshot.payload_format,
        event_id=event.pk,
        event_type=event.type,
        created_at=event.created_at,
        payload=event.payload,
    )
    try:
        headers = engine.headers_of(
            snapshot,
            message_id=event.pk,
            timestamp=timestamp,
            body=body,
            user_agent=settings.WEBHOOKS_USER_AGENT,
        )
    except ValueError as error:
        return Prospect(endpoint, sentence, problem=str(error))
    head = heads.head_of(
        endpoint.url,
        headers,
        message_id=event.pk,
        timestamp=timestamp,
        has_token=snapshot.access is not None and snapshot.access.client is not None,
        payload_format=snapshot.payload_format,
    )
    shown = dict(heads.as_sent(head.headers, message_id=event.pk, started_at=now, body=body, url=endpoint.url))
    if signed_for is not None:
        shown |= signature_headers(snapshot.signer, message_id=event.pk, timestamp=timestamp, body=body)
        audit.record(audit.Action.REVEALED, endpoint, by=signed_for, detail="The preview of an event, signed.")
    return Prospect(endpoint, sentence, head.url, list(shown.items()), body.decode())


def _fate(event: Event, endpoint: Endpoint, now: datetime) -> str:
    """Say what becomes of the event's delivery at first."""
    if endpoint.state == EndpointState.DISABLED and endpoint.when_disabled == WhenDisabled.DROP:
        return "The endpoint is disabled: its delivery is cancelled at once."
    if (waiting := why_endpoint_waits(endpoint, now)) is not None:
        until = f" until {waiting.until:%Y-%m-%d %H:%M:%S} UTC" if waiting.until else ""
        return f"Its delivery waits{until}. {waiting.text}"
    if event.deliver_after is not None and event.deliver_after > now:
        return f"It is sent on {event.deliver_after:%Y-%m-%d %H:%M:%S} UTC."
    return "It is sent at once."


def _unfit(wanted: Wanted) -> str | None:
    """Say where the data does not fit a schema that is not enforced."""
    known = EventType.objects.filter(name=wanted.event_type).first()
    if known is None or known.schema is None:
        return None
    return payload_schemas.problem_with(wanted.data, json.dumps(known.schema))
