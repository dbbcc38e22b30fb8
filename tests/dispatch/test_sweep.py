"""The sweep, on a real database and a real Redis protocol server."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from dispatch import outbox, wake
from dispatch.lanes import Lanes
from dispatch.models import Attempt, Delivery
from dispatch.publish import publish_event
from dispatch.states import Outcome
from dispatch.sweep import rescue, sweep, sweep_if_overdue
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState
from tests.factories import NOON, DeliveryFactory, EndpointFactory, EventFactory, SubscriberFactory

pytestmark = pytest.mark.django_db(transaction=True)


def taken(lanes: Lanes) -> list[str]:
    return [ids.encode("ep", lane) for lane in lanes.take("me", limit=100, lease=10).lanes]


def unreachable() -> Lanes:
    return Lanes(Redis(port=1, retry=Retry(NoBackoff(), 0)))


def test_a_sweep_brings_back_the_lanes_of_active_endpoints_and_calls_a_pump(redis: Redis) -> None:
    due, _paused = EndpointFactory(), EndpointFactory(state=EndpointState.PAUSED)
    publish_event("invoice.paid", {}, now=NOON)
    later = EndpointFactory()
    publish_event("invoice.paid", {}, subscriber=later.subscriber, now=NOON + timedelta(hours=1))
    wake.finish()
    redis.flushdb()

    sweep(Lanes(redis), NOON)

    assert taken(Lanes(redis)) == [due.id]
    assert redis.llen("deliveries") == 1


def test_a_sweep_that_finds_nothing_calls_nobody(redis: Redis) -> None:
    sweep(Lanes(redis), NOON)

    assert redis.llen("deliveries") == 0


def test_a_lost_delivery_is_logged_and_due_at_once(redis: Redis) -> None:
    endpoint = EndpointFactory()
    publish_event("invoice.paid", {}, now=NOON)
    outbox.claim({ids.decode("ep", endpoint.id): 1}, now=NOON, lease=60, worker="host:1")
    later = NOON + timedelta(seconds=61)

    assert rescue(NOON + timedelta(seconds=60)) == 0
    assert rescue(later) == 1
    assert rescue(later) == 0

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.next_attempt_at, delivery.last_outcome) == ("pending", later, "worker_lost")
    attempt = delivery.attempts.get()
    assert (attempt.number, attempt.outcome, attempt.started_at, attempt.worker) == (1, "worker_lost", NOON, "host:1")
    assert attempt.error == "The worker ended while it was sending. Whether the request arrived is not known."


def test_a_delivery_that_is_lost_again_and_again_ends(redis: Redis) -> None:
    endpoint = EndpointFactory()
    publish_event("invoice.paid", {}, now=NOON)
    now = NOON
    while outbox.claim({ids.decode("ep", endpoint.id): 1}, now=now, lease=60, worker="host:1").claims:
        now += timedelta(seconds=61)
        rescue(now)

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempt_count) == ("failed", len(settings.WEBHOOKS.retry_schedule) + 1)


def test_what_is_pending_for_a_disabled_endpoint_is_cancelled(redis: Redis) -> None:
    endpoint = EndpointFactory()
    publish_event("invoice.paid", {}, now=NOON)
    endpoint.change_state(EndpointState.DISABLED, reason="asked for", now=NOON)

    sweep(Lanes(redis), NOON)

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.note) == ("cancelled", "The endpoint is disabled.")


def test_what_waits_for_an_unverified_endpoint_stays_until_its_challenge_is_given_up(redis: Redis) -> None:
    endpoint = EndpointFactory()
    endpoint.begin_challenge(now=NOON)
    publish_event("invoice.paid", {}, now=NOON)

    sweep(Lanes(redis), NOON)
    assert taken(Lanes(redis)) == []
    assert Delivery.objects.get().status == "pending"

    endpoint.claim_challenge("a" * 64, now=NOON, lease=timedelta(seconds=60))
    endpoint.fail_challenge("a" * 64, now=NOON, outcome="timeout", error="", retry_in=None)
    sweep(Lanes(redis), NOON)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.note) == ("cancelled", "The endpoint did not answer its ownership challenge.")


def test_a_sweep_has_due_challenges_sent(redis: Redis) -> None:
    endpoint = EndpointFactory()
    endpoint.begin_challenge(now=NOON)
    redis.flushdb()

    sweep(Lanes(redis), NOON - timedelta(seconds=1))
    assert redis.llen("housekeeping") == 0
    sweep(Lanes(redis), NOON)
    assert redis.llen("housekeeping") == 1


def test_without_redis_the_databases_part_is_done_all_the_same() -> None:
    endpoint = EndpointFactory()
    publish_event("invoice.paid", {}, now=NOON)
    outbox.claim({ids.decode("ep", endpoint.id): 1}, now=NOON, lease=60, worker="host:1")

    with pytest.raises(RedisError):
        sweep(unreachable(), NOON + timedelta(seconds=61))
    assert Delivery.objects.get().status == "pending"


def test_others_sweep_only_if_nobody_has(redis: Redis) -> None:
    endpoint = EndpointFactory()
    publish_event("invoice.paid", {}, now=NOON)
    wake.finish()
    redis.flushdb()
    lanes = Lanes(redis)

    lanes.note_sweep(3600)
    sweep_if_overdue(lanes, datetime.now(UTC))
    assert taken(lanes) == []
    redis.flushdb()
    sweep_if_overdue(lanes, datetime.now(UTC))
    assert taken(lanes) == [endpoint.id]


def pending_at_many(count: int) -> list[Endpoint]:
    """Create as many endpoints with a delivery each that is due, in the order of their ids."""
    subscriber, event = SubscriberFactory(), EventFactory()
    endpoints = Endpoint.objects.bulk_create(
        Endpoint(subscriber=subscriber, url=f"https://receiver.example/{number}") for number in range(count)
    )
    Delivery.objects.bulk_create(
        Delivery(event=event, endpoint=each, next_attempt_at=NOON, created_at=NOON) for each in endpoints
    )
    return sorted(endpoints, key=lambda endpoint: endpoint.id)


def test_a_sweep_rings_the_lanes_of_all_however_many(redis: Redis) -> None:
    endpoints = pending_at_many(2001)
    lanes = Lanes(redis)
    sweep(lanes, NOON)

    assert lanes.count_waiting() == 2001
    rung = lanes.take("me", limit=3000, lease=10).lanes
    assert {ids.encode("ep", lane) for lane in rung} == {endpoint.id for endpoint in endpoints}


def test_without_redis_the_databases_part_is_done_for_all_however_many() -> None:
    endpoints = pending_at_many(1002)
    for endpoint in (endpoints[0], endpoints[-1]):
        endpoint.change_state(EndpointState.DISABLED, reason="asked for", now=NOON)

    with pytest.raises(RedisError):
        sweep(unreachable(), NOON)
    cancelled = Delivery.objects.filter(status="cancelled").values_list("endpoint_id", flat=True)
    assert set(cancelled) == {endpoints[0].id, endpoints[-1].id}


@pytest.mark.parametrize(("schedule", "status"), [([], "failed"), ([5], "pending"), (None, "pending")])
def test_an_endpoints_own_schedule_counts_for_attempts_whose_worker_was_lost(
    schedule: list[float] | None, status: str
) -> None:
    endpoint = EndpointFactory(retry_schedule=schedule)
    DeliveryFactory(
        endpoint=endpoint,
        status="sending",
        next_attempt_at=None,
        attempt_count=1,
        claim_token="0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f",
        claimed_at=NOON,
        lease_expires_at=NOON,
    )
    assert rescue(NOON + timedelta(seconds=1)) == 1
    assert Delivery.objects.get().status == status
    assert Attempt.objects.get().outcome == Outcome.WORKER_LOST
