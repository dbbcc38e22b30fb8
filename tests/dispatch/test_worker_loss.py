"""Workers that are killed, stopped, or find Redis empty. Each test runs workers of its own."""

import threading

import pytest
from django.conf import settings
from django.db import connection
from redis import Redis

from dispatch.models import Attempt, Delivery
from dispatch.publish import publish_event
from tests.dispatch.deliveries import endpoint_at, outcomes, settled
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.workers import working
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_address_that_is_not_allowed_is_not_connected_to(process_environment: dict[str, str]) -> None:
    with receiving() as receiver, working(process_environment, WEBHOOKS_ALLOWED_NETWORKS=""):
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    assert outcomes(delivery) == [(number, "address_refused", None) for number in (1, 2, 3)]
    assert receiver.received == []


def test_a_killed_worker_is_logged_and_its_delivery_arrives(process_environment: dict[str, str]) -> None:
    never = threading.Event()
    with receiving(Answer(after=never)) as receiver:
        endpoint_at(receiver.url)
        with working(process_environment) as worker:
            event = publish_event("invoice.paid", {"amount": 1}).event
            wait_for(lambda: receiver.received)
            worker.kill()
        assert Delivery.objects.get(event=event).status == "sending"
        assert not Attempt.objects.exists()
        with working(process_environment):
            delivery = settled(event)
        never.set()

    assert outcomes(delivery) == [(1, "worker_lost", None), (2, "success", 200)]
    assert len({(each.headers["webhook-id"], each.body) for each in receiver.received}) == 1


def test_a_stopped_worker_finishes_what_it_has_begun(process_environment: dict[str, str]) -> None:
    answer_now = threading.Event()
    with receiving(*[Answer(after=answer_now)] * 20) as receiver:
        endpoint_at(receiver.url)
        with working(process_environment, WEBHOOKS_REQUEST_DEADLINE="20", WEBHOOKS_CLAIM_LEASE="60") as worker:
            for number in range(20):
                publish_event("invoice.paid", {"number": number})
            wait_for(lambda: receiver.received)
            stopping = threading.Thread(target=worker.stop)
            stopping.start()
            wait_for(lambda: not Delivery.objects.filter(status="pending", attempt_count__gt=0).exists())
            answer_now.set()
            stopping.join()

    # Nothing was cut off: whatever had left is recorded, whatever had not is pending again, without an attempt.
    assert Attempt.objects.count() == len(receiver.received)
    assert Delivery.objects.filter(status="delivered").count() == len(receiver.received)
    left = Delivery.objects.exclude(status="delivered")
    assert {(each.status, each.attempt_count) for each in left} <= {("pending", 0)}


def test_losing_all_of_redis_loses_nothing(process_environment: dict[str, str]) -> None:
    with receiving() as receiver:
        endpoint_at(receiver.url)
        event = publish_event("invoice.paid", {"amount": 1}).event
        Redis.from_url(settings.REDIS_URL).flushdb()
        with working(process_environment):
            delivery = settled(event)

    assert (delivery.status, len(receiver.received)) == ("delivered", 1)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no connections that can be lost")
def test_workers_come_back_after_the_database_ended_their_connections(process_environment: dict[str, str]) -> None:
    with receiving() as receiver, working(process_environment):
        endpoint_at(receiver.url)
        settled(publish_event("invoice.paid", {"number": 1}).event)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchone()[0] > 0
        settled(publish_event("invoice.paid", {"number": 2}).event)
        # What a sweep alone brings in arrives too.
        late = publish_event("invoice.paid", {"number": 3})
        Redis.from_url(settings.REDIS_URL).flushdb()
        settled(late.event)

    assert len(receiver.received) == 3
