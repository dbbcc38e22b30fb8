"""Operational events on their whole way: a real worker, real receivers, and operators who hear of it."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from dispatch import wake
from dispatch.models import Notice
from dispatch.publish import publish_event
from subscriptions.models import Endpoint, EndpointState
from tests.dispatch.deliveries import endpoint_at, settled
from tests.dispatch.operational_events import operators, told
from tests.dispatch.receivers import Answer, Receiver, receiving
from tests.dispatch.workers import Worker, working
from tests.factories import EndpointFactory
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def worker(process_environment: dict[str, str]) -> Iterator[Worker]:
    with working(process_environment, WEBHOOKS_BREAKER_PAUSE="0.2") as worker:
        yield worker


@pytest.fixture
def operations() -> Iterator[Receiver]:
    with receiving() as receiver:
        operators(receiver.url)
        yield receiver


def said_by(operations: Receiver) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in operations.received]


def test_operators_hear_at_once_that_a_receiver_is_gone(worker: Worker, operations: Receiver) -> None:
    with receiving(Answer(410)) as receiver:
        endpoint = endpoint_at(receiver.url)
        settled(publish_event("invoice.paid", {}, subscriber=endpoint.subscriber).event)
        wait_for(lambda: operations.received)
    [said] = said_by(operations)
    assert (said["type"], said["cause"]) == ("operational.endpoint.disabled", "gone")
    assert said["endpoint"]["id"] == endpoint.id
    assert said["reason"] == "The receiver answered 410 Gone."


def test_a_worker_tells_of_deliveries_that_have_failed_for_good(worker: Worker, operations: Receiver) -> None:
    with receiving(respond=lambda body: Answer(500)) as receiver:
        endpoint = endpoint_at(receiver.url)
        with transaction.atomic():
            events = [publish_event("invoice.paid", {}, subscriber=endpoint.subscriber).event for _ in range(3)]
        deliveries = [settled(event) for event in events]
    wake.send(wake.TELL, queue=wake.HOUSEKEEPING)
    wait_for(lambda: operations.received)
    [said] = said_by(operations)
    assert (said["type"], said["count"], said["outcomes"]) == (
        "operational.delivery.exhausted",
        3,
        {"http_error": 3},
    )
    assert said["deliveries"][0] == {
        "id": deliveries[0].id,
        "event": events[0].id,
        "event_type": "invoice.paid",
        "attempts": 3,
        "outcome": "http_error",
        "status_code": 500,
    }


def test_operators_are_not_told_by_events_of_their_own_endpoints(worker: Worker) -> None:
    with receiving(respond=lambda body: Answer(410)) as receiver:
        own = operators(receiver.url)
        endpoint = EndpointFactory()
        endpoint.change_state(EndpointState.DISABLED, reason="Too slow.", now=timezone.now())
        wait_for(lambda: Endpoint.objects.filter(pk=own.pk, state="disabled").exists())
    assert [said["endpoint"]["id"] for said in told()] == [endpoint.id]
    # In the admin, and by mail, they are.
    assert set(Notice.objects.values_list("endpoint", flat=True)) == {own.id, endpoint.id}


def test_operators_hear_that_an_endpoint_fails_and_that_it_works_again(worker: Worker, operations: Receiver) -> None:
    works = threading.Event()
    with receiving(respond=lambda body: Answer(200 if works.is_set() else 500)) as receiver:
        endpoint = endpoint_at(receiver.url)
        with transaction.atomic():
            for _ in range(12):
                publish_event("invoice.paid", {}, subscriber=endpoint.subscriber)
        wait_for(lambda: operations.received)
        works.set()
        publish_event("invoice.paid", {}, subscriber=endpoint.subscriber)
        wait_for(lambda: len(operations.received) == 2)
    failing, recovered = said_by(operations)
    assert (failing["type"], failing["cause"]) == ("operational.endpoint.failing", "breaker")
    assert failing["failures"] >= 10
    assert recovered["type"] == "operational.endpoint.recovered"
    assert {said["endpoint"]["id"] for said in (failing, recovered)} == {endpoint.id}
