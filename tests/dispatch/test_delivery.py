"""An event's whole way, with a real worker, a real Redis protocol server and real receivers."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator

import pytest
import standardwebhooks
import trustme
from django.conf import settings
from django.db import transaction
from redis import Redis

from dispatch.models import Attempt, Delivery, Event
from dispatch.publish import publish_event
from subscriptions.models import Endpoint, EndpointState, EventTypePattern, SigningSecret
from tests.certificates_made import serving_tls
from tests.dispatch.deliveries import endpoint_at, outcomes, settled
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.workers import Worker, working
from tests.waiting import wait_for

X_SECRET = "an-old-secret-of-theirs"


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def worker(process_environment: dict[str, str], authority: trustme.CA) -> Iterator[Worker]:
    with (
        authority.cert_pem.tempfile() as ca_file,
        working(process_environment, WEBHOOKS_CA_FILE=ca_file) as worker,
    ):
        yield worker


def test_an_event_arrives_signed_and_is_logged(worker: Worker) -> None:
    with receiving() as receiver:
        endpoint = endpoint_at(receiver.url)
        event = publish_event("invoice.paid", {"amount": 100, "currency": "€"}).event
        delivery = settled(event)

    [received] = receiver.received
    assert received.body == '{"amount":100,"currency":"€"}'.encode()
    assert received.headers["webhook-id"] == event.id
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["User-Agent"] == "webhook-dispatcher/0.1.0"
    secret = endpoint.signing_secrets.get().value
    assert standardwebhooks.Webhook(secret).verify(received.body, dict(received.headers)) == json.loads(received.body)

    assert (delivery.status, delivery.attempt_count, delivery.last_status_code) == ("delivered", 1, 200)
    attempt = delivery.attempts.get()
    assert (attempt.number, attempt.outcome, attempt.status_code) == (1, "success", 200)
    assert (attempt.remote_address, attempt.response_body) == ("127.0.0.1", '{"status": "success"}')
    assert attempt.response_headers["content-length"] == "21"


def test_both_schemes_sign_side_by_side(worker: Worker) -> None:
    with receiving() as receiver:
        endpoint = endpoint_at(receiver.url, signature_schemes=["standard", "x-signature"])
        settled(publish_event("invoice.paid", {"amount": 1}).event)

    [received] = receiver.received
    secret = endpoint.signing_secrets.get().value
    standardwebhooks.Webhook(secret).verify(received.body, dict(received.headers))
    expected = hmac.new(secret.encode("utf-8"), received.body, hashlib.sha256).hexdigest()
    assert received.headers["X-Signature"] == expected


def test_the_plain_scheme_alone_signs_with_the_text_of_a_given_secret(worker: Worker) -> None:
    with receiving() as receiver:
        endpoint_at(receiver.url, signature_schemes=["x-signature"], secret=X_SECRET)
        settled(publish_event("invoice.paid", {"amount": 1}).event)

    [received] = receiver.received
    assert received.headers["X-Signature"] == hmac.new(X_SECRET.encode(), received.body, hashlib.sha256).hexdigest()
    assert "webhook-signature" not in received.headers


def test_while_a_secret_is_rotated_both_sign(worker: Worker) -> None:
    with receiving() as receiver:
        endpoint = endpoint_at(receiver.url)
        endpoint.signing_secrets.create()
        settled(publish_event("invoice.paid", {"amount": 1}).event)

    [received] = receiver.received
    for secret in endpoint.signing_secrets.all():
        standardwebhooks.Webhook(secret.value).verify(received.body, dict(received.headers))


def test_a_failed_attempt_is_retried_with_the_same_id_and_body(worker: Worker) -> None:
    with receiving(Answer(503), Answer(500)) as receiver:
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    assert delivery.status == "delivered"
    assert outcomes(delivery) == [(1, "http_error", 503), (2, "http_error", 500), (3, "success", 200)]
    assert len({(each.headers["webhook-id"], each.body) for each in receiver.received}) == 1


def test_a_delivery_fails_when_the_schedule_is_exhausted(worker: Worker) -> None:
    with receiving(*[Answer(500)] * 9) as receiver:
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    assert (delivery.status, len(receiver.received)) == ("failed", 3)
    assert outcomes(delivery) == [(number, "http_error", 500) for number in (1, 2, 3)]


def test_410_ends_the_delivery_and_disables_the_endpoint(worker: Worker) -> None:
    with receiving(Answer(410)) as receiver:
        endpoint = endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)
        wait_for(lambda: Endpoint.objects.filter(id=endpoint.id, state=EndpointState.DISABLED).exists())
        later = publish_event("invoice.paid", {"amount": 2}).event

    assert (delivery.status, outcomes(delivery)) == ("failed", [(1, "endpoint_gone", 410)])
    endpoint.refresh_from_db()
    assert endpoint.state_reason == "The receiver answered 410 Gone."
    assert settled(later).note == "The endpoint was disabled when the event was published."
    assert len(receiver.received) == 1


def test_what_is_pending_is_cancelled_when_its_endpoint_is_disabled(worker: Worker) -> None:
    with receiving() as receiver:
        endpoint = endpoint_at(receiver.url)
        endpoint.change_state(EndpointState.PAUSED, reason="", now=endpoint.created_at)
        event = publish_event("invoice.paid", {"amount": 1}).event
        endpoint.change_state(EndpointState.DISABLED, reason="asked for", now=endpoint.created_at)
        delivery = settled(event)

    assert (delivery.status, delivery.note, receiver.received) == ("cancelled", "The endpoint is disabled.", [])


def test_a_paused_endpoint_keeps_its_deliveries_until_it_is_active(worker: Worker) -> None:
    with receiving() as paused, receiving() as active:
        endpoint = endpoint_at(paused.url)
        endpoint.change_state(EndpointState.PAUSED, reason="", now=endpoint.created_at)
        endpoint_at(active.url)
        event = publish_event("invoice.paid", {"amount": 1}).event
        wait_for(lambda: active.received)
        assert (Delivery.objects.get(endpoint=endpoint).status, paused.received) == ("pending", [])

        endpoint.change_state(EndpointState.ACTIVE, reason="", now=endpoint.created_at)
        wait_for(lambda: Delivery.objects.filter(event=event, status="delivered").count() == 2)


def test_a_receiver_that_does_not_answer_costs_the_deadline(worker: Worker) -> None:
    never = threading.Event()
    with receiving(Answer(after=never)) as receiver:
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)
        never.set()

    assert outcomes(delivery) == [(1, "timeout", None), (2, "success", 200)]
    attempt = delivery.attempts.get(number=1)
    assert attempt.error == "There was no complete answer within 1 seconds."
    assert 1000 <= attempt.duration_ms < 1500


def test_a_refused_connection_is_retried(worker: Worker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    endpoint_at(f"http://127.0.0.1:{port}/")
    delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    assert outcomes(delivery) == [(number, "connection_error", None) for number in (1, 2, 3)]
    assert delivery.attempts.get(number=1).error == "The connection failed: Connection refused."


def test_a_certificate_of_an_unknown_authority_is_refused(worker: Worker) -> None:
    with receiving(tls=serving_tls(trustme.CA().issue_cert("127.0.0.1"))) as receiver:
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    assert outcomes(delivery) == [(number, "tls_error", None) for number in (1, 2, 3)]
    assert delivery.attempts.get(number=1).error == "TLS failed: unable to get local issuer certificate."
    assert receiver.received == []


def test_a_certificate_of_an_authority_of_the_settings_is_trusted(worker: Worker, authority: trustme.CA) -> None:
    with receiving(tls=serving_tls(authority.issue_cert("127.0.0.1"))) as receiver:
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    assert outcomes(delivery) == [(1, "success", 200)]
    assert len(receiver.received) == 1


def test_a_redirect_is_a_failure_and_is_not_followed(worker: Worker) -> None:
    with receiving() as elsewhere, receiving(Answer(302, headers={"Location": elsewhere.url})) as receiver:
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    assert outcomes(delivery) == [(1, "redirect", 302), (2, "success", 200)]
    assert elsewhere.received == []


def test_retry_after_is_a_floor_for_the_next_attempt(worker: Worker) -> None:
    with receiving(Answer(429, headers={"Retry-After": "2"})) as receiver:
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    first, second = delivery.attempts.order_by("number")
    assert (first.status_code, second.status_code) == (429, 200)
    assert 2 <= (second.started_at - first.started_at).total_seconds() < 4
    assert len(receiver.received) == 2


def test_a_large_answer_is_cut(worker: Worker) -> None:
    with receiving(Answer(body=b"x" * 1_000_000)) as receiver:
        endpoint_at(receiver.url)
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)

    assert delivery.status == "delivered"
    attempt = delivery.attempts.get()
    headers = "".join([*attempt.response_headers, *attempt.response_headers.values()])
    assert attempt.response_body == "x" * (16384 - len(headers))
    assert len(receiver.received) == 1


def test_a_rolled_back_transaction_leaves_no_event_and_sends_nothing(worker: Worker) -> None:
    with receiving() as receiver:
        endpoint_at(receiver.url)

        def publish_and_fail() -> None:
            with transaction.atomic():
                publish_event("invoice.paid", {"amount": 1})
                raise LookupError

        with pytest.raises(LookupError):
            publish_and_fail()
        kept = publish_event("invoice.paid", {"amount": 2}).event
        settled(kept)

    assert [each.body for each in receiver.received] == [b'{"amount":2}']
    assert list(Event.objects.all()) == [kept]


def test_redis_emptied_under_a_working_worker_loses_nothing(worker: Worker) -> None:
    redis = Redis.from_url(settings.REDIS_URL)
    with receiving() as receiver:
        endpoint_at(receiver.url)
        events = []
        for number in range(60):
            events.append(publish_event("invoice.paid", {"number": number}).event)
            if number % 20 == 10:
                redis.flushdb()
        wait_for(lambda: Delivery.objects.filter(status="delivered").count() == 60)

    assert {each.headers["webhook-id"] for each in receiver.received} == {event.id for event in events}
    assert Attempt.objects.count() == len(receiver.received) == 60


def test_an_event_that_thousands_want_reaches_them_all(worker: Worker) -> None:
    with receiving() as receiver:
        subscriber = endpoint_at(receiver.url).subscriber
        endpoints = Endpoint.objects.bulk_create(
            Endpoint(subscriber=subscriber, url=f"{receiver.url}/{number}") for number in range(1200)
        )
        EventTypePattern.objects.bulk_create(EventTypePattern(endpoint=each, pattern="*") for each in endpoints)
        SigningSecret.objects.bulk_create(SigningSecret(endpoint=each) for each in endpoints)
        publish_event("invoice.paid", {"amount": 1})
        wait_for(lambda: Delivery.objects.filter(status="delivered").count() == 1201, 60)

    assert len({each.path for each in receiver.received}) == len(receiver.received) == 1201
