"""Writing events with their deliveries on PostgreSQL: one prepared statement for any number of events."""

import uuid
from collections.abc import Mapping, Sequence

from dispatch.outbox.values import FannedOut, NewEvent
from dispatch.sql import execute

# A UUID of version 7 (RFC 9562): random bits, with the milliseconds in front and then the version, beside which
# the place among the event's endpoints keeps the ids of one statement in order (section 6.2, method 1).
_UUID7 = """encode(overlay(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6)
    PLACING int2send((x'7000'::int + wanting.place)::int2) FROM 7 FOR 2), 'hex')::uuid"""

# The endpoints that want each event, by id, from the one after which its fan-out goes on. An event for one
# subscriber looks at that subscriber's endpoints, an event for all at those that an index of patterns names.
_WANTING = """
    SELECT given.id AS event_id, wanting.id AS endpoint_id, wanting.state,
           row_number() OVER others AS place, lead(wanting.id) OVER others IS NOT NULL AS is_followed
    FROM given CROSS JOIN LATERAL (
        SELECT id, state FROM (
            SELECT endpoint.id, endpoint.state FROM subscriptions_endpoint AS endpoint
            WHERE endpoint.subscriber_id = given.subscriber_id AND endpoint.id > given.after
              AND EXISTS (SELECT 1 FROM subscriptions_eventtypepattern AS wanted
                          WHERE wanted.endpoint_id = endpoint.id
                            AND wanted.pattern = ANY (string_to_array(given.patterns, ' ')))
            UNION
            SELECT endpoint.id, endpoint.state FROM subscriptions_eventtypepattern AS wanted
            JOIN subscriptions_endpoint AS endpoint ON endpoint.id = wanted.endpoint_id
            WHERE given.subscriber_id IS NULL AND endpoint.id > given.after
              AND wanted.pattern = ANY (string_to_array(given.patterns, ' '))
        ) AS found
        ORDER BY id LIMIT %s + 1
    ) AS wanting
    WINDOW others AS (PARTITION BY given.id ORDER BY wanting.id)
"""
# Where the fan-out of an event stops for now, if more endpoints want it than get their delivery in one go.
_STOP = "SELECT event_id, endpoint_id FROM wanting WHERE place = %s AND is_followed"
_NO_UUID = "00000000-0000-0000-0000-000000000000"

_DELIVERIES = f"""
    INSERT INTO dispatch_delivery (id, event_id, endpoint_id, status, next_attempt_at, attempt_count, claimed_by,
                                   last_outcome, created_at, finished_at, note)
    SELECT {_UUID7}, wanting.event_id, wanting.endpoint_id,
           CASE WHEN wanting.state = 'disabled' THEN 'cancelled' ELSE 'pending' END,
           CASE WHEN wanting.state = 'disabled' THEN NULL ELSE event.created_at END, 0, '', '', event.created_at,
           CASE WHEN wanting.state = 'disabled' THEN event.created_at END,
           CASE WHEN wanting.state = 'disabled' THEN %s ELSE '' END
    FROM wanting JOIN event ON event.id = wanting.event_id WHERE wanting.place <= %s
    ON CONFLICT (event_id, endpoint_id) DO NOTHING
"""
_WHAT_CAME_OF_IT = """
SELECT event.id, event.fan_out_after IS NULL, wanting.endpoint_id
FROM event LEFT JOIN wanting ON wanting.event_id = event.id AND wanting.place <= %s AND wanting.state = 'active'
"""

_INSERT = f"""
WITH given AS (
    SELECT *, '{_NO_UUID}'::uuid AS after
    FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
         AS given (id, type, subscriber_id, payload, idempotency_key, created_at, patterns)
),
wanting AS MATERIALIZED ({_WANTING}),
stop AS ({_STOP}),
event AS (
    INSERT INTO dispatch_event (id, type, subscriber_id, payload, idempotency_key, created_at, fan_out_after)
    SELECT id, type, subscriber_id, payload, idempotency_key, created_at, stop.endpoint_id
    FROM given LEFT JOIN stop ON stop.event_id = given.id
    ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, created_at, fan_out_after
),
delivery AS ({_DELIVERIES})
{_WHAT_CAME_OF_IT}
"""

_CONTINUE = f"""
WITH given AS (
    SELECT id, subscriber_id, created_at, fan_out_after AS after, %s AS patterns FROM dispatch_event
    WHERE id = %s AND fan_out_after IS NOT NULL FOR UPDATE
),
wanting AS MATERIALIZED ({_WANTING}),
stop AS ({_STOP}),
event AS (
    UPDATE dispatch_event SET fan_out_after = (SELECT endpoint_id FROM stop)
    FROM given WHERE dispatch_event.id = given.id
    RETURNING dispatch_event.id, dispatch_event.created_at, dispatch_event.fan_out_after
),
delivery AS ({_DELIVERIES})
{_WHAT_CAME_OF_IT}
"""


def insert_events(events: Sequence[NewEvent], *, limit: int, note: str) -> Mapping[uuid.UUID, FannedOut]:
    """Write events, each with deliveries to at most `limit` endpoints. Leave out those whose key is taken."""
    columns = [list(column) for column in zip(*events, strict=True)]
    return _fanned_out(execute(_INSERT, [*columns, limit, limit, note, limit, limit]))


def continue_event(event_id: uuid.UUID, patterns: str, *, limit: int, note: str) -> FannedOut | None:
    """Create the next deliveries of an event, at most `limit`. None if there are no more to create."""
    return _fanned_out(execute(_CONTINUE, [patterns, event_id, limit, limit, note, limit, limit])).get(event_id)


def _fanned_out(rows: list[tuple[uuid.UUID, bool, uuid.UUID | None]]) -> dict[uuid.UUID, FannedOut]:
    found: dict[uuid.UUID, FannedOut] = {}
    for event_id, is_complete, endpoint_id in rows:
        fanned_out = found.setdefault(event_id, FannedOut([], is_complete))
        if endpoint_id is not None:
            fanned_out.endpoint_ids.append(endpoint_id)
    return found
