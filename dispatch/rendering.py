"""The bodies of claimed deliveries: each event is read once, and rendered once in each format that is wanted."""

import uuid
from collections.abc import Iterator, Mapping, Sequence

from dispatch import bodies, outbox
from dispatch.endpoint_snapshots import EndpointSnapshot
from dispatch.outbox import Claim
from subscriptions import ids
from subscriptions.payload_format import PayloadFormat


def bodies_of(
    claims: Sequence[Claim], endpoints: Mapping[uuid.UUID, EndpointSnapshot]
) -> Iterator[tuple[Claim, bytes]]:
    """Pair each claim with the body of its request."""
    payloads = outbox.payloads({claim.event_id for claim in claims})
    formats = [endpoints[claim.endpoint_id].payload_format for claim in claims]
    headings = outbox.headings(
        {claim.event_id for claim, form in zip(claims, formats, strict=True) if form is not PayloadFormat.DATA}
    )
    rendered: dict[tuple[uuid.UUID, PayloadFormat], bytes] = {}
    for claim, form in zip(claims, formats, strict=True):
        key = claim.event_id, form
        if key not in rendered:
            payload, heading = payloads[claim.event_id], headings.get(claim.event_id)
            if heading is None:
                rendered[key] = payload.encode()
            else:
                event_type, created_at = heading
                rendered[key] = bodies.render(
                    form,
                    event_id=ids.encode("evt", claim.event_id),
                    event_type=event_type,
                    created_at=created_at,
                    payload=payload,
                )
        yield claim, rendered[key]
