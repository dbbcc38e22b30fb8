"""The outbox, on a real database."""

import threading
import uuid
from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, connection

from dispatch import outbox
from dispatch.heads import head_of
from dispatch.models import Attempt, Delivery, Event
from dispatch.outbox import Attempted, Claim, Claimed
from dispatch.publish import publish_event
from dispatch.states import DeliveryStatus, Outcome
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState
from subscriptions.payload_format import PayloadFormat
from tests.factories import NOON, EndpointFactory

pytestmark = pytest.mark.django_db(transaction=True)

LEASE = 60
LATER = NOON + timedelta(seconds=LEASE + 1)


def lane_of(endpoint: Endpoint) -> uuid.UUID:
    return ids.decode("ep", endpoint.id)


def publish(number: int = 1, now: datetime = NOON) -> list[Event]:
    return [publish_event("invoice.paid", {"number": each}, now=now).event for each in range(number)]


def claim(*endpoints: Endpoint, room: int = 100, now: datetime = NOON) -> Claimed:
    return outbox.claim({lane_of(each): room for each in endpoints}, now=now, lease=LEASE, worker="host:1")


def attempted(claim: Claim, **changes: object) -> Attempted:
    values = {
        "claim": claim,
        "status": DeliveryStatus.DELIVERED,
        "outcome": Outcome.SUCCESS,
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=1),
        "worker": "host:1",
        "duration_ms": 1000,
        "status_code": 200,
    }
    return Attempted(**{**values, **changes})  # type: ignore[arg-type]


def test_a_claim_takes_what_is_due_and_leases_it() -> None:
    endpoint = EndpointFactory()
    [event] = publish()

    [claimed] = claim(endpoint).claims

    delivery = Delivery.objects.get()
    assert ids.encode("dlv", claimed.delivery_id) == delivery.id
    assert ids.encode("evt", claimed.event_id) == event.id
    assert (claimed.endpoint_id, claimed.attempt) == (lane_of(endpoint), 1)
    assert (delivery.status, delivery.attempt_count, delivery.next_attempt_at) == ("sending", 1, None)
    assert (delivery.claim_token, delivery.claimed_by, delivery.claimed_at) == (claimed.token, "host:1", NOON)
    assert delivery.lease_expires_at == NOON + timedelta(seconds=LEASE)


def test_what_is_claimed_is_not_claimed_again() -> None:
    endpoint = EndpointFactory()
    publish(3)

    assert len(claim(endpoint).claims) == 3
    assert claim(endpoint) == Claimed([], {lane_of(endpoint): None})


def test_a_claim_respects_the_room_of_each_endpoint_and_says_when_the_next_is_due() -> None:
    one, two = EndpointFactory(), EndpointFactory()
    for minute in range(4):
        publish(now=NOON + timedelta(minutes=minute))

    claimed = outbox.claim({lane_of(one): 1, lane_of(two): 3}, now=LATER + timedelta(hours=1), lease=1, worker="w")

    assert Counter(each.endpoint_id for each in claimed.claims) == {lane_of(one): 1, lane_of(two): 3}
    assert claimed.next_due == {
        lane_of(one): NOON + timedelta(minutes=1),
        lane_of(two): NOON + timedelta(minutes=3),
    }


def test_the_longest_due_is_claimed_first() -> None:
    endpoint = EndpointFactory()
    [late] = publish(now=NOON + timedelta(seconds=1))
    [early] = publish()

    [claimed] = claim(endpoint, room=1, now=LATER).claims
    assert ids.encode("evt", claimed.event_id) == early.id != late.id


def test_some_of_what_is_claimed_may_be_the_newest() -> None:
    endpoint = EndpointFactory()
    minutes = {publish(now=NOON + timedelta(minutes=minute))[0].id: minute for minute in range(6)}
    lane = lane_of(endpoint)

    def claimed(oldest: int, newest: int) -> tuple[set[int], bool]:
        now, rooms = NOON + timedelta(hours=1), {lane: oldest + newest}
        found = outbox.claim(rooms, newest={lane: newest}, now=now, lease=1, worker="w")
        next_due = found.next_due[lane]
        return {
            minutes[ids.encode("evt", each.event_id)] for each in found.claims
        }, next_due is not None and next_due <= now

    assert claimed(0, 1) == ({5}, True)
    assert claimed(2, 1) == ({0, 1, 4}, True)
    # Both ends meet: nothing is claimed twice.
    assert claimed(2, 2) == ({2, 3}, False)


def test_what_is_not_due_yet_is_left() -> None:
    endpoint = EndpointFactory()
    publish(now=NOON + timedelta(microseconds=1))

    assert claim(endpoint) == Claimed([], {lane_of(endpoint): NOON + timedelta(microseconds=1)})


def test_finishing_logs_the_attempt_and_moves_the_delivery() -> None:
    endpoint = EndpointFactory()
    publish()
    [claimed] = claim(endpoint).claims

    moved = outbox.finish(
        [
            attempted(
                claimed,
                remote_address="192.0.2.1",
                response_headers={"server": "nul\x00"},
                response_body='body \x00 € \\ "quoted" {,} NULL \n',
            )
        ]
    )

    assert moved == {claimed.delivery_id}
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.finished_at) == ("delivered", NOON + timedelta(seconds=1))
    assert (delivery.last_outcome, delivery.last_status_code) == ("success", 200)
    attempt = delivery.attempts.get()
    assert (attempt.number, attempt.outcome, attempt.status_code, attempt.error) == (1, "success", 200, "")
    assert (attempt.started_at, attempt.duration_ms, attempt.worker) == (NOON, 1000, "host:1")
    assert (attempt.remote_address, attempt.response_body) == ("192.0.2.1", 'body \ufffd € \\ "quoted" {,} NULL \n')
    assert attempt.response_headers == {"server": "nul\ufffd"}


def test_an_attempt_is_logged_with_its_timings_its_head_and_why_it_was_made() -> None:
    endpoint = EndpointFactory()
    publish()
    head = head_of(
        endpoint.url,
        {"X-Tenant": "7"},
        message_id="evt_1",
        timestamp=1,
        has_token=False,
        payload_format=PayloadFormat.DATA,
    )
    outbox.insert_heads({head})
    outbox.insert_heads({head})
    for _ in range(2):
        [claimed] = claim(endpoint, now=LATER).claims
        outbox.finish([attempted(claimed, status=DeliveryStatus.FAILED, outcome=Outcome.TIMEOUT)])
        [moved] = outbox.retry([claimed.delivery_id], now=LATER)
        assert moved == (claimed.delivery_id, lane_of(endpoint))
    [claimed] = claim(endpoint, now=LATER).claims
    outbox.finish([attempted(claimed, timings_ms=(1, 2, 3, 4), head=head)])

    attempts = Attempt.objects.order_by("number")
    assert [attempt.trigger for attempt in attempts] == ["schedule", "manual", "manual"]
    last = attempts[2]
    assert (last.dns_ms, last.connect_ms, last.tls_ms, last.first_byte_ms) == (1, 2, 3, 4)
    assert last.request_head is not None
    assert (last.request_head.url, last.request_head.headers) == (head.url, [["X-Tenant", "…"]])
    assert (attempts[0].first_byte_ms, attempts[0].request_head) == (None, None)


def test_what_is_published_for_later_is_due_then() -> None:
    endpoint = EndpointFactory()
    publish_event("invoice.paid", {}, now=NOON, deliver_after=LATER)

    assert claim(endpoint) == Claimed([], {lane_of(endpoint): LATER})
    assert len(claim(endpoint, now=LATER).claims) == 1


def test_a_retry_is_a_row_with_a_time() -> None:
    endpoint = EndpointFactory()
    publish()
    [claimed] = claim(endpoint).claims
    due = NOON + timedelta(minutes=5)

    outbox.finish(
        [
            attempted(
                claimed,
                status=DeliveryStatus.PENDING,
                next_attempt_at=due,
                outcome=Outcome.DNS_ERROR,
                status_code=None,
                error="x" * 600,
            )
        ]
    )

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.next_attempt_at, delivery.finished_at) == ("pending", due, None)
    assert delivery.attempts.get().error == "x" * 500
    assert claim(endpoint).claims == []
    [again] = claim(endpoint, now=due).claims
    assert again.attempt == 2


def test_a_large_batch_is_finished_in_one_go() -> None:
    endpoint = EndpointFactory()
    publish(250)
    claims = claim(endpoint, room=1000).claims

    moved = outbox.finish([attempted(each) for each in claims])

    assert moved == {each.delivery_id for each in claims}
    assert len(moved) == Attempt.objects.count() == Delivery.objects.filter(status="delivered").count() == 250


def test_an_outcome_is_written_once() -> None:
    endpoint = EndpointFactory()
    publish()
    [claimed] = claim(endpoint).claims
    outbox.finish([attempted(claimed)])

    assert outbox.finish([attempted(claimed, status=DeliveryStatus.FAILED)]) == set()
    assert (Delivery.objects.get().status, Attempt.objects.count()) == ("delivered", 1)


def test_a_claim_that_was_lost_changes_nothing_any_more() -> None:
    endpoint = EndpointFactory()
    publish()
    [lost] = claim(endpoint).claims
    outbox.finish([attempted(lost, status=DeliveryStatus.PENDING, next_attempt_at=LATER, outcome=Outcome.WORKER_LOST)])
    [current] = claim(endpoint, now=LATER).claims

    assert outbox.finish([attempted(lost)]) == set()
    outbox.unclaim([lost], now=LATER)
    assert outbox.finish([attempted(current)]) == {current.delivery_id}
    assert list(Attempt.objects.order_by("number").values_list("number", "outcome")) == [
        (1, "worker_lost"),
        (2, "success"),
    ]


def test_a_claim_that_is_given_back_counts_no_attempt() -> None:
    endpoint = EndpointFactory()
    publish()
    [claimed] = claim(endpoint).claims

    outbox.unclaim([claimed], now=LATER)

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempt_count, delivery.next_attempt_at) == ("pending", 0, LATER)
    assert claim(endpoint, now=LATER).claims[0].attempt == 1


def test_expired_claims_are_found_once_their_lease_has_ended() -> None:
    endpoint = EndpointFactory()
    publish()
    [claimed] = claim(endpoint).claims

    assert outbox.expired(NOON + timedelta(seconds=LEASE)) == []
    assert outbox.expired(LATER) == [(claimed, NOON, "host:1", False)]


def test_pending_lanes_are_listed_with_state_and_first_due_time() -> None:
    active, paused, empty = EndpointFactory(), EndpointFactory(state=EndpointState.PAUSED), EndpointFactory()
    publish(3)
    publish(now=NOON - timedelta(hours=1))
    for claimed in claim(empty).claims:
        outbox.finish([attempted(claimed)])

    assert {(lane.endpoint_id, lane.state, lane.next_due) for lane in outbox.pending_lanes()} == {
        (lane_of(active), EndpointState.ACTIVE, NOON - timedelta(hours=1)),
        (lane_of(paused), EndpointState.PAUSED, NOON - timedelta(hours=1)),
    }


def test_no_lane_is_pending_without_deliveries() -> None:
    assert outbox.pending_lanes() == []


def test_cancelling_ends_what_is_pending_and_leaves_the_rest() -> None:
    endpoint, other = EndpointFactory(), EndpointFactory()
    publish(3)
    claim(endpoint, room=1)

    assert outbox.cancel_pending(lane_of(endpoint), note="Because.", now=LATER) == 2
    cancelled = Delivery.objects.filter(status="cancelled")
    assert {(each.endpoint_id, each.note, each.finished_at) for each in cancelled} == {(endpoint.id, "Because.", LATER)}
    assert Delivery.objects.filter(endpoint=other, status="pending").count() == 3


def test_nothing_is_claimed_twice_by_many_at_once() -> None:
    endpoints = [EndpointFactory() for _ in range(4)]
    publish(50)
    claims: list[Claim] = []
    start = threading.Barrier(4)

    def claim_all() -> None:
        start.wait()
        while found := claim(*endpoints, room=3).claims:
            claims.extend(found)
        connection.close()

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claims) == len({each.delivery_id for each in claims}) == 200


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "pending", "next_attempt_at": None},
        {"status": "delivered"},
        {"status": "sending", "next_attempt_at": None},
        {"status": "unheard-of"},
    ],
)
def test_the_database_refuses_a_delivery_in_no_state(broken: dict[str, object]) -> None:
    EndpointFactory()
    publish()

    with pytest.raises(IntegrityError):
        Delivery.objects.update(**broken)
