"""Endpoints that want their deliveries in their own way, with a real worker and real receivers."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks

from dispatch import emptying, lanes
from dispatch.bodies import render
from dispatch.models import Attempt, Delivery
from dispatch.publish import publish_event
from dispatch.sweep import sweep
from subscriptions.models import EndpointState
from subscriptions.models.endpoint_moves import Move
from subscriptions.payload_format import PayloadFormat
from tests.dispatch.deliveries import endpoint_at, outcomes, settled
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.workers import Worker, working
from tests.factories import NOON
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def worker(process_environment: dict[str, str]) -> Iterator[Worker]:
    settings = {
        "WEBHOOKS_REQUEST_DEADLINE": "10",
        "WEBHOOKS_CLAIM_LEASE": "30",
        "WEBHOOKS_RETRY_SCHEDULE": "0.1,0.1,0.1,0.1",
        "WEBHOOKS_SWEEP_INTERVAL": "60",
    }
    with working(process_environment, **settings) as worker:
        yield worker


class TestTheFormat:
    def test_of_each_endpoint_is_its_own(self, worker: Worker) -> None:
        with receiving() as plain, receiving(Answer(500)) as full, receiving() as thin:
            endpoints = {
                form: endpoint_at(receiver.url, payload_format=form)
                for form, receiver in (("data", plain), ("full", full), ("thin", thin))
            }
            event = publish_event("invoice.paid", {"amount": 100, "to": "Zoë"}).event
            wait_for(lambda: Delivery.objects.filter(event=event, status="delivered").count() == 3)

        timestamp = event.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        head = {"id": event.id, "type": "invoice.paid", "timestamp": timestamp}
        assert plain.received[0].body == event.payload.encode()
        assert json.loads(full.received[0].body) == head | {"data": {"amount": 100, "to": "Zoë"}}
        assert json.loads(thin.received[0].body) == head
        # The same bytes in every attempt, signed as they are.
        assert [each.body for each in full.received] == [full.received[0].body] * 2
        secret = endpoints["full"].signing_secrets.get().value
        standardwebhooks.Webhook(secret).verify(full.received[1].body, dict(full.received[1].headers))

    @pytest.mark.parametrize("payload", ["null", "0", '"x"', "[]", '{"a":"\\"}"}'])
    def test_takes_any_data_over_as_it_stands(self, payload: str) -> None:
        body = render(PayloadFormat.FULL, event_id="evt_1", event_type="a.b", created_at=NOON, payload=payload)
        assert body.endswith(b',"data":' + payload.encode() + b"}")
        assert json.loads(body)["data"] == json.loads(payload)


class TestTheRetrySchedule:
    def test_of_an_endpoint_replaces_that_of_all(self, worker: Worker) -> None:
        with receiving(*[Answer(500)] * 9) as never, receiving(*[Answer(500)] * 2) as as_all:
            endpoint_at(never.url, retry_schedule=[])
            endpoint_at(as_all.url)
            event = publish_event("invoice.paid", {}).event
            wait_for(lambda: Delivery.objects.filter(event=event, status="failed").exists())
            wait_for(lambda: Delivery.objects.filter(event=event, status="delivered").exists())

        assert (len(never.received), len(as_all.received)) == (1, 3)

    def test_says_when_the_next_attempt_is_due(self, worker: Worker) -> None:
        with receiving(*[Answer(500)] * 9) as receiver:
            endpoint_at(receiver.url, retry_schedule=[3600])
            publish_event("invoice.paid", {})
            attempt = wait_for(Attempt.objects.first)
            delivery = Delivery.objects.get()

        assert attempt is not None
        assert delivery.next_attempt_at is not None
        delay = delivery.next_attempt_at - attempt.started_at
        assert timedelta(seconds=3600) <= delay <= timedelta(seconds=3961)


class TestTheTimeout:
    def test_of_an_endpoint_ends_its_attempts_and_nobody_elses(self, worker: Worker) -> None:
        never, later = threading.Event(), threading.Event()
        with receiving(Answer(after=never)) as impatient, receiving(Answer(after=later)) as patient:
            endpoint_at(impatient.url, timeout=1)
            endpoint_at(patient.url)
            event = publish_event("invoice.paid", {}).event
            wait_for(lambda: Attempt.objects.filter(outcome="timeout").exists())
            later.set()
            wait_for(lambda: Delivery.objects.filter(event=event, status="delivered").count() == 2)
            never.set()

        late = Attempt.objects.get(outcome="timeout")
        assert late.error == "There was no complete answer within 1 seconds."
        assert late.duration_ms is not None
        assert 1000 <= late.duration_ms < 3000
        assert (len(impatient.received), len(patient.received)) == (2, 1)


class TestMoving:
    def test_back_to_active_sends_what_waited_without_a_sweep(self, worker: Worker) -> None:
        with receiving() as receiver:
            endpoint = endpoint_at(receiver.url)
            endpoint.move(Move.PAUSE, now=datetime.now(UTC))
            event = publish_event("invoice.paid", {}).event
            assert Delivery.objects.get().status == "pending"
            # The worker may know the endpoint as it was for a second.
            endpoint.move(Move.RESUME, now=datetime.now(UTC))
            delivery = settled(event)

        endpoint.refresh_from_db()
        assert endpoint.state == EndpointState.ACTIVE
        assert outcomes(delivery) == [(1, "success", 200)]


class TestDeleting:
    def test_lets_what_is_under_way_finish_and_cancels_the_rest(self, worker: Worker) -> None:
        go_on = threading.Event()
        with receiving(Answer(500, after=go_on)) as receiver:
            endpoint = endpoint_at(receiver.url, retry_schedule=[60])
            under_way = publish_event("invoice.paid", {"number": 1}).event
            wait_for(lambda: receiver.received)
            waiting = [publish_event("invoice.paid", {"number": number}).event for number in range(5)]
            endpoint.subscriber.remove(now=datetime.now(UTC))
            # As another process does, while the only one of this worker serves lanes.
            emptying.empty_all(datetime.now(UTC))
            go_on.set()
            attempt = wait_for(Attempt.objects.first)
            sweep(lanes.connect(5), datetime.now(UTC))

        notes = Delivery.objects.filter(event__in=[under_way, *waiting]).values_list("status", "note")
        assert list(notes) == [("cancelled", "The endpoint was deleted.")] * 6
        assert attempt is not None
        assert (attempt.delivery.event, attempt.status_code, len(receiver.received)) == (under_way, 500, 1)
