"""Two worker processes that share what is due: nothing is sent twice, and no endpoint by both at a time."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from django.db import transaction

from dispatch.models import Attempt, Delivery
from dispatch.publish import publish_event
from subscriptions.models import Endpoint, EventTypePattern, SigningSecret
from tests.dispatch.deliveries import endpoint_at, settled
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.workers import Worker, working
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

ENDPOINTS, EVENTS = 60, 5


@pytest.fixture(scope="module")
def workers(process_environment: dict[str, str]) -> Iterator[Worker]:
    with working(
        process_environment,
        "--concurrency=2",
        WEBHOOKS_LANE_WINDOW_MAX="3",
        WEBHOOKS_REQUEST_DEADLINE="30",
        WEBHOOKS_CLAIM_LEASE="60",
    ) as worker:
        yield worker


def test_each_delivery_is_sent_once_and_written_once(workers: Worker) -> None:
    answer_now = threading.Event()
    with receiving(*[Answer(after=answer_now)] * ENDPOINTS) as receiver:
        subscriber = endpoint_at(receiver.url, event_types=["unused"]).subscriber
        endpoints = Endpoint.objects.bulk_create(
            Endpoint(subscriber=subscriber, url=f"{receiver.url}/{number}") for number in range(ENDPOINTS)
        )
        EventTypePattern.objects.bulk_create(EventTypePattern(endpoint=each, pattern="*") for each in endpoints)
        SigningSecret.objects.bulk_create(SigningSecret(endpoint=each) for each in endpoints)
        events = [publish_event("invoice.paid", {"number": number}).event for number in range(EVENTS)]
        # One process has more endpoints than it can serve at a time, and has called the other.
        sending = Delivery.objects.filter(status="sending").order_by()
        wait_for(lambda: sending.values("claimed_by").distinct().count() == 2)
        answer_now.set()
        wait_for(lambda: Delivery.objects.filter(status="delivered").count() == ENDPOINTS * EVENTS)

    sent = Counter((each.path, each.headers["webhook-id"]) for each in receiver.received)
    assert sent == {(f"/hooks/{number}", event.id): 1 for number in range(ENDPOINTS) for event in events}
    assert Attempt.objects.count() == ENDPOINTS * EVENTS
    assert set(Attempt.objects.values_list("number", "outcome")) == {(1, "success")}
    assert Attempt.objects.order_by().values("worker").distinct().count() == 2


def test_no_endpoint_has_more_requests_under_way_than_the_settings_allow(workers: Worker) -> None:
    answer_now = threading.Event()
    with receiving(Answer(), *[Answer(after=answer_now)] * 9) as receiver, receiving() as neighbour:
        endpoint, other = endpoint_at(receiver.url), endpoint_at(neighbour.url)
        with transaction.atomic():
            for _ in range(21):
                publish_event("invoice.paid", {}, subscriber=endpoint.subscriber)
        # Whoever has seen the first answer sends as many as it may.
        wait_for(lambda: receiver.under_way == 3)
        # Pumps have gone on, and found no room for more.
        for _ in range(3):
            settled(publish_event("invoice.paid", {}, subscriber=other.subscriber).event)
        assert receiver.under_way == 3

        answer_now.set()
        wait_for(lambda: Delivery.objects.filter(endpoint=endpoint, status="delivered").count() == 21)

    assert receiver.most_under_way == 3
    assert len(receiver.received) == 21
