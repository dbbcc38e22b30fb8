"""How statements reach PostgreSQL: prepared, and planned for tables that will be large."""

import re
import uuid
from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from dispatch import outbox
from dispatch.models import Attempt, Delivery
from dispatch.outbox import Attempted, Claim
from dispatch.publish import publish_event
from dispatch.sql import execute, plan_once
from dispatch.states import DeliveryStatus, Outcome
from subscriptions import ids
from tests.factories import NOON, EndpointFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no sessions and no prepared statements"),
]


@pytest.fixture(autouse=True)
def _connection_like_a_workers() -> Iterator[None]:
    connection.close()
    connection.connect()
    plan_once(sender=None, connection=connection)
    yield
    connection.close()


def ask(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]


def prepared(beginning: str) -> list[str]:
    """List the names of prepared statements."""
    statements = execute("SELECT name, statement FROM pg_prepared_statements", [])
    return [name for name, statement in statements if beginning in statement]


def plan(name: str) -> str:
    """Say how a prepared statement is executed, whatever its parameters."""
    [[count]] = execute("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = %s", [name])
    return "\n".join(ask(f'EXPLAIN EXECUTE "{name}" ({", ".join(["NULL"] * count)})'))


def claim_and_finish(*endpoint_ids: uuid.UUID) -> int:
    claimed = outbox.claim(dict.fromkeys(endpoint_ids, 2), now=NOON, lease=60, worker="host:1")
    outbox.payloads({claim.event_id for claim in claimed.claims})
    return len(outbox.finish([delivered(claim) for claim in claimed.claims]))


def delivered(claim: Claim) -> Attempted:
    return Attempted(claim, DeliveryStatus.DELIVERED, Outcome.SUCCESS, NOON, NOON, worker="host:1", status_code=200)


def lane(endpoint: object) -> uuid.UUID:
    return ids.decode("ep", endpoint.id)  # type: ignore[attr-defined]


def test_a_worker_has_statements_planned_once_and_without_a_look_at_the_whole_of_a_table() -> None:
    assert ask("SHOW enable_seqscan") == ["off"]
    assert ask("SHOW plan_cache_mode") == ["force_generic_plan"]
    assert ask("SHOW jit") == ["off"]


def test_what_a_worker_does_all_the_time_is_prepared_once_for_any_number() -> None:
    one, two = EndpointFactory(), EndpointFactory()
    for _ in range(3):
        publish_event("invoice.paid", {}, now=NOON)
    # An ordinary statement is not prepared, however often it comes.
    for _ in range(9):
        Delivery.objects.get(endpoint=one, event=Delivery.objects.first().event)

    assert [claim_and_finish(lane(one)), claim_and_finish(lane(one), lane(two))] == [2, 3]
    assert len(prepared("due AS MATERIALIZED")) == 1
    assert len(prepared("INSERT INTO dispatch_attempt")) == 1
    assert len(prepared("SELECT id, payload FROM dispatch_event")) == 1
    assert prepared('"dispatch_delivery"') == []


def test_what_is_planned_for_the_empty_tables_of_a_new_installation_suits_full_ones() -> None:
    # So nothing is known of them, as when they were just made.
    execute("TRUNCATE dispatch_event, dispatch_delivery, dispatch_attempt", [])
    claimed = outbox.claim({uuid.uuid4(): 1}, now=NOON, lease=60, worker="host:1")
    lost = Claim(uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), 1, uuid.uuid4())
    assert (claimed.claims, outbox.finish([delivered(lost)])) == ([], set())
    outbox.payloads({lost.event_id})
    assert outbox.pending_lanes() == []

    [claim], [finish] = prepared("due AS MATERIALIZED"), prepared("INSERT INTO dispatch_attempt")
    assert "Index Cond: ((endpoint_id = lane_2.endpoint_id) AND (next_attempt_at <=" in plan(claim)
    assert re.search(r"Scan (using|on) dispatch_delivery_pkey.*\n *Index Cond: \(id = ANY", plan(claim))
    assert re.search(r"Scan (using|on) dispatch_delivery_pkey.*\n *Index Cond: \(id = ", plan(finish))
    for name in (claim, finish, *prepared("WITH RECURSIVE lane"), *prepared("SELECT id, payload")):
        assert "Seq Scan on dispatch_" not in plan(name)


def test_serving_never_looks_through_all_deliveries() -> None:
    endpoints = [EndpointFactory() for _ in range(3)]
    for _ in range(2):
        publish_event("invoice.paid", {}, now=NOON)
    with transaction.atomic():
        assert claim_and_finish(*map(lane, endpoints)) == 6
        outbox.pending_lanes()
        outbox.expired(NOON)
        scans = dict(execute("SELECT relname::text, seq_scan FROM pg_stat_xact_user_tables", []))

    assert (scans["dispatch_delivery"], scans["dispatch_attempt"], scans["dispatch_event"]) == (0, 0, 0)
    assert Attempt.objects.count() == 6
