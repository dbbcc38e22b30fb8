"""Credentials and custom headers on their whole way, with a real worker, real receivers and a real token endpoint."""

import base64
from collections.abc import Iterator

import pytest

from dispatch.models import Attempt, Delivery
from dispatch.publish import publish_event
from subscriptions.models import CustomHeaders, EndpointCredentials
from tests.dispatch.deliveries import endpoint_at, outcomes, settled
from tests.dispatch.receivers import receiving
from tests.dispatch.token_endpoints import CLIENT_SECRET, issuing
from tests.dispatch.workers import Worker, working
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def worker(process_environment: dict[str, str]) -> Iterator[Worker]:
    with working(process_environment) as worker:
        yield worker


def publish() -> Delivery:
    return settled(publish_event("invoice.paid", {"amount": 1}).event)


def only_headers_of(worker: Worker, **options: object) -> dict[str, str]:
    with receiving() as receiver:
        endpoint_at(receiver.url, **options)
        assert publish().status == "delivered"
    [received] = receiver.received
    return dict(received.headers)


def test_user_and_password_arrive(worker: Worker) -> None:
    received = only_headers_of(worker, credentials={"kind": "basic", "user": "ada", "password": "zoë: x"})
    assert base64.b64decode(received["Authorization"].removeprefix("Basic ")).decode() == "ada:zoë: x"


def test_a_bearer_token_arrives(worker: Worker) -> None:
    received = only_headers_of(worker, credentials={"kind": "bearer", "token": "abc.def"})
    assert received["Authorization"] == "Bearer abc.def"


def test_a_header_and_custom_headers_arrive_beside_all_others(worker: Worker) -> None:
    received = only_headers_of(
        worker,
        credentials={"kind": "header", "name": "X-Api-Key", "value": "abc"},
        headers={"X-Tenant": "7", "x-zone": "a b"},
    )
    assert (received["X-Api-Key"], received["X-Tenant"], received["x-zone"]) == ("abc", "7", "a b")
    assert {"Host", "Content-Type", "User-Agent", "webhook-id", "webhook-signature"} <= set(received)


def test_without_any_a_request_carries_none(worker: Worker) -> None:
    assert "Authorization" not in only_headers_of(worker)


def test_a_change_holds_within_two_seconds(worker: Worker) -> None:
    with receiving() as receiver:
        endpoint = endpoint_at(receiver.url, credentials={"kind": "bearer", "token": "old"})
        publish()
        endpoint.set_credentials({"kind": "bearer", "token": "new"})
        endpoint.set_headers({"X-Tenant": "7"})

        def shown() -> tuple[str | None, str | None]:
            publish()
            last = receiver.received[-1].headers
            return last.get("Authorization"), last.get("X-Tenant")

        wait_for(lambda: shown() == ("Bearer new", "7"), 2.5)
        EndpointCredentials.objects.all().delete()
        CustomHeaders.objects.all().delete()
        wait_for(lambda: shown() == (None, None), 2.5)


def test_a_token_is_asked_for_once_and_again_when_the_receiver_refuses_it(worker: Worker) -> None:
    with issuing() as (issuer, receiver):
        endpoint_at(receiver.url, credentials=issuer.credentials)
        assert [outcomes(publish()) for _ in range(3)] == [[(1, "success", 200)]] * 3
        assert len(issuer.asked) == 1

        issuer.revoke()
        delivery = publish()

    assert outcomes(delivery) == [(1, "http_error", 401), (2, "success", 200)]
    first, second = delivery.attempts.order_by("number")
    assert first.error == "The receiver answered 401: the access token is worn out. Another one is tried at once."
    assert (second.started_at - first.started_at).total_seconds() < 1
    # Every request that left has a row.
    assert len(receiver.received) == Attempt.objects.count() == 5
    assert len(issuer.asked) == 2
    kept = str([each.response_body for each in Attempt.objects.all()])
    assert '"Authorization": "Bearer …"' in kept
    assert "TOKEN-" not in kept


def test_a_receiver_that_never_took_a_token_is_tried_again_by_the_schedule(worker: Worker) -> None:
    with issuing() as (issuer, _), issuing() as (_, receiver):
        endpoint_at(receiver.url, credentials=issuer.credentials)
        delivery = publish()

    assert outcomes(delivery) == [(number, "http_error", 401) for number in (1, 2, 3)]
    assert {each.error for each in delivery.attempts.all()} == {"The receiver answered 401."}
    # None was tried twice.
    assert len({shown for shown, _ in receiver.received}) == len(issuer.asked) == 3


def test_without_a_token_nothing_is_sent_and_the_row_says_why(worker: Worker) -> None:
    with issuing() as (issuer, receiver):
        endpoint_at(receiver.url, credentials=issuer.credentials | {"client_secret": "wrong-secret"})
        delivery = publish()

    assert (delivery.status, receiver.received) == ("failed", [])
    assert outcomes(delivery) == [(number, "credentials_failed", None) for number in (1, 2, 3)]
    assert {each.error for each in delivery.attempts.all()} == {
        "No access token. The token endpoint answered 401 with invalid_client."
    }


def test_a_token_endpoint_that_recovers_lets_the_delivery_through(worker: Worker) -> None:
    with issuing() as (issuer, receiver):
        issuer.is_broken = True
        endpoint_at(receiver.url, credentials=issuer.credentials | {"client_authentication": "body"})
        event = publish_event("invoice.paid", {"amount": 1}).event
        failed = wait_for(Attempt.objects.filter(delivery__event=event).first)
        issuer.is_broken = False
        assert settled(event).status == "delivered"

    assert failed.error == "No access token. The token endpoint answered 500."
    assert issuer.asked[-1]["client_secret"] == CLIENT_SECRET
