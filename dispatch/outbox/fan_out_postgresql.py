"""Writing events with their deliveries on PostgreSQL, in one statement."""

import uuid
from collections.abc import Mapping, Sequence

from dispatch.outbox.values import FannedOut, NewEvent
from dispatch.sql import compact, execute
from subscriptions import ids

# The endpoints that want each event, by id, from the one after which its fan-out goes on, and at which it stops
# for now if more of them want it than get their delivery in one go. An event for one subscriber looks at that
# subscriber's endpoints, an event for all at those that an index of patterns names, pattern by pattern. Nothing
# here is a join for which the planner could choose to read a whole table for each event, as it did. An endpoint that
# asked for other channels has no state here and gets no delivery: looking at its row costs nothing that was not there.
# One that is disabled and keeps what comes counts as paused: then that waits.
_WANTING = """
    SELECT event_id, first_id, endpoint_id, place, is_stop, found[1] AS state, found[2] IS NOT NULL AS is_ordered
    FROM (SELECT event_id, first_id, endpoint_id, place, place = most AND is_followed AS is_stop,
           (SELECT ARRAY[CASE WHEN asking.channels <> '[]' AND NOT EXISTS (
                                  SELECT 1 FROM jsonb_array_elements_text(numbered.channels::jsonb) AS named (channel)
                                  WHERE asking.channels ? named.channel) THEN NULL
                              WHEN asking.state = 'disabled' AND asking.when_disabled = 'keep' THEN 'paused'
                              ELSE asking.state END,
                         CASE WHEN asking.ordered THEN '' END]
            FROM subscriptions_endpoint AS asking WHERE asking.id = endpoint_id) AS found
    FROM (
        SELECT given.id AS event_id, given.first_id, given.most, given.channels, found.endpoint_id,
               row_number() OVER others AS place, lead(found.endpoint_id) OVER others IS NOT NULL AS is_followed
        FROM given CROSS JOIN LATERAL (
            SELECT endpoint.id AS endpoint_id FROM subscriptions_endpoint AS endpoint
            WHERE endpoint.subscriber_id = given.subscriber_id AND endpoint.id > given.after
              AND EXISTS (SELECT 1 FROM subscriptions_eventtypepattern AS wanted
                          WHERE wanted.endpoint_id = endpoint.id
                            AND wanted.pattern = ANY (string_to_array(given.patterns, ' ')))
            UNION
            SELECT wanted.endpoint_id FROM unnest(string_to_array(given.patterns, ' ')) AS asked (pattern)
            CROSS JOIN LATERAL (
                SELECT endpoint_id FROM subscriptions_eventtypepattern
                WHERE pattern = asked.pattern AND endpoint_id > given.after
                ORDER BY pattern, endpoint_id LIMIT given.most + 1
            ) AS wanted
            WHERE given.subscriber_id IS NULL
            ORDER BY endpoint_id LIMIT given.most + 1
        ) AS found
        WINDOW others AS (PARTITION BY given.id ORDER BY found.endpoint_id)
    ) AS numbered
    WHERE place <= most) AS looked_up
"""
_NO_UUID = "00000000-0000-0000-0000-000000000000"

# The UUIDs of version 7 (RFC 9562) of an event's deliveries: those of one step share the time and the random
# bits of `first_id`, and have their place after the version (section 6.2, method 1).
_ID = """encode(overlay(uuid_send(wanting.first_id) PLACING int2send((x'7000'::int + wanting.place)::int2)
                FROM 7 FOR 2), 'hex')::uuid"""

_DELIVERIES = f"""
    INSERT INTO dispatch_delivery (id, event_id, endpoint_id, status, next_attempt_at, attempt_count, claimed_by,
                                   last_outcome, created_at, finished_at, note, line)
    SELECT {_ID}, wanting.event_id, wanting.endpoint_id,
           CASE WHEN wanting.state = 'disabled' THEN 'cancelled' ELSE 'pending' END,
           CASE WHEN wanting.state = 'disabled' THEN NULL ELSE coalesce(event.deliver_after, event.created_at) END,
           0, '', '', event.created_at,
           CASE WHEN wanting.state = 'disabled' THEN event.created_at END,
           CASE WHEN wanting.state = 'disabled' THEN %s ELSE '' END,
           CASE WHEN wanting.is_ordered AND wanting.state <> 'disabled' THEN event.ordering_key END
    FROM wanting JOIN event ON event.id = wanting.event_id
    WHERE wanting.state IS NOT NULL
    ON CONFLICT (event_id, endpoint_id) DO NOTHING
"""
_WHAT_CAME_OF_IT = """
SELECT event.id, event.fan_out_after IS NULL,
       coalesce(array_agg(wanting.endpoint_id) FILTER (WHERE wanting.state = 'active'), '{}')
FROM event LEFT JOIN wanting ON wanting.event_id = event.id
GROUP BY event.id, event.fan_out_after
"""

_COLUMNS = (
    "id, type, subscriber_id, payload, idempotency_key, created_at, channels, ordering_key, patterns, deliver_after"
)
_TYPES = ("uuid", "text", "uuid", "text", "text", "timestamptz", "text", "text", "text", "timestamptz")
# One event and many are two statements. For one, a plan that is kept is as good as one that is made for its
# values, and is kept; how long an array will be, the planner could only guess.
_ONE = f"(VALUES ({', '.join(f'%s::{kind}' for kind in _TYPES)})) AS given ({_COLUMNS})"
# Binary, as every quote in a payload would have to be escaped in an array's text.
_MANY = f"unnest({', '.join(f'%b::{kind}[]' for kind in _TYPES)}) AS given ({_COLUMNS})"


def _insert(given: str) -> str:
    return compact(f"""
WITH given AS (SELECT *, id AS first_id, '{_NO_UUID}'::uuid AS after, %s::int AS most FROM {given}),
wanting AS MATERIALIZED ({_WANTING}),
event AS (
    INSERT INTO dispatch_event (id, type, subscriber_id, payload, idempotency_key, created_at, channels, ordering_key,
                                deliver_after, fan_out_after)
    SELECT id, type, subscriber_id, payload, idempotency_key, created_at, channels::jsonb, ordering_key,
           deliver_after, wanting.endpoint_id
    FROM given LEFT JOIN wanting ON wanting.event_id = given.id AND wanting.is_stop
    ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, created_at, deliver_after, ordering_key, fan_out_after
),
delivery AS ({_DELIVERIES})
{_WHAT_CAME_OF_IT}
""")


_INSERT_ONE, _INSERT_MANY = _insert(_ONE), _insert(_MANY)

_CONTINUE = f"""
WITH given AS (
    SELECT id, subscriber_id, created_at, channels, fan_out_after AS after,
           %s::uuid AS first_id, %s AS patterns, %s::int AS most
    FROM dispatch_event WHERE id = %s AND fan_out_after IS NOT NULL FOR UPDATE
),
wanting AS MATERIALIZED ({_WANTING}),
event AS (
    UPDATE dispatch_event SET fan_out_after = (SELECT endpoint_id FROM wanting WHERE is_stop)
    FROM given WHERE dispatch_event.id = given.id
    RETURNING dispatch_event.id, dispatch_event.created_at, dispatch_event.deliver_after, dispatch_event.ordering_key,
              dispatch_event.fan_out_after
),
delivery AS ({_DELIVERIES})
{_WHAT_CAME_OF_IT}
"""


def insert_events(events: Sequence[NewEvent], *, limit: int, note: str) -> Mapping[uuid.UUID, FannedOut]:
    """Write events, each with deliveries to at most `limit` endpoints. Leave out those whose key is taken."""
    if len(events) == 1:
        return _fanned_out(execute(_INSERT_ONE, [limit, *events[0], note]))
    columns = [list(column) for column in zip(*events, strict=True)]
    return _fanned_out(execute(_INSERT_MANY, [limit, *columns, note]))


def continue_event(event_id: uuid.UUID, patterns: str, *, limit: int, note: str) -> FannedOut | None:
    """Create the next deliveries of an event, at most `limit`. None if there are no more to create."""
    return _fanned_out(execute(_CONTINUE, [ids.uuid7(), patterns, limit, event_id, note])).get(event_id)


def _fanned_out(rows: list[tuple[uuid.UUID, bool, list[uuid.UUID]]]) -> dict[uuid.UUID, FannedOut]:
    return {event_id: FannedOut(endpoint_ids, is_complete) for event_id, is_complete, endpoint_ids in rows}
