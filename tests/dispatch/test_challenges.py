"""Ownership challenges, with a real worker, a real Redis protocol server and real receivers."""

import dataclasses
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import standardwebhooks
from django.test import Client
from pytest_django import Settings

from dispatch.models import Delivery
from dispatch.publish import publish_event
from dispatch.receiver import Scheme, key_of
from dispatch.receiver_server import Misbehaviour, ReceiverServer
from subscriptions import signing_secrets
from subscriptions.models import Endpoint, EndpointState
from tests.admin_pages import formset, messages_of, page, run_action
from tests.api_client import ApiClient
from tests.dispatch.challenged import ONE_RETRY, echo, is_settled, wait_for_end
from tests.dispatch.deliveries import endpoint_at, settled
from tests.dispatch.receivers import Answer, Receiver, receiving
from tests.dispatch.workers import Worker, working
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _challenged(settings: Settings) -> None:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, ownership_challenge=True)


@pytest.fixture(scope="module")
def worker(process_environment: dict[str, str]) -> Iterator[Worker]:
    with working(process_environment, **ONE_RETRY) as worker:
        yield worker


def kinds_of(receiver: Receiver) -> list[str]:
    return [json.loads(each.body).get("type", "event") for each in receiver.received]


def test_nothing_is_sent_until_the_challenge_is_answered_and_then_everything(worker: Worker) -> None:
    with receiving(Answer(), respond=echo) as receiver:
        endpoint = endpoint_at(receiver.url)
        assert endpoint.state == EndpointState.UNVERIFIED
        assert endpoint.state_reason == "Its URL has not answered the ownership challenge."
        event = publish_event("invoice.paid", {"amount": 1}).event
        delivery = settled(event)
        settled(publish_event("invoice.paid", {"amount": 2}).event)

    # The first answer was a 2xx without the nonce: not enough.
    assert kinds_of(receiver) == ["webhook.challenge", "webhook.challenge", "event", "event"]
    assert (delivery.status, delivery.attempt_count) == ("delivered", 1)
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.state_reason, endpoint.must_verify) == ("active", "", False)
    assert (endpoint.challenge_outcome, endpoint.challenge_error, endpoint.challenge_tries) == ("success", "", 2)
    assert endpoint.challenge_tried_at is not None
    assert endpoint.verified_at is not None
    assert endpoint.challenge_tried_at < endpoint.verified_at


@pytest.mark.parametrize("kind", signing_secrets.Kind)
def test_a_challenge_is_signed_like_a_delivery(worker: Worker, kind: signing_secrets.Kind) -> None:
    with receiving(respond=echo) as receiver:
        endpoint = endpoint_at(receiver.url, secret_kind=kind)
        wait_for_end(endpoint)

    [received] = receiver.received
    sent = json.loads(received.body)
    assert sent == {"type": "webhook.challenge", "challenge": sent["challenge"]}
    # 256 bits in base64.
    assert len(sent["challenge"]) == 43
    assert received.headers["webhook-id"].startswith("chl_")
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["User-Agent"] == "webhook-dispatcher/0.1.0"
    secret = endpoint.signing_secrets.get()
    if kind is signing_secrets.Kind.SHARED:
        assert standardwebhooks.Webhook(secret.value).verify(received.body, dict(received.headers)) == sent
    else:
        assert received.headers["webhook-signature"].startswith("v1a,")


def test_each_try_has_a_nonce_and_an_id_of_its_own(worker: Worker) -> None:
    with receiving(Answer(), Answer()) as receiver:
        wait_for_end(endpoint_at(receiver.url))

    assert len({each.headers["webhook-id"] for each in receiver.received}) == 2
    assert len({each.body for each in receiver.received}) == 2


def test_the_endpoints_other_schemes_sign_it_too(worker: Worker) -> None:
    with receiving(respond=echo) as receiver:
        endpoint = endpoint_at(receiver.url, signature_schemes=["github"], secret="my-shared-secret")
        wait_for_end(endpoint)

    assert receiver.received[0].headers["X-Hub-Signature-256"].startswith("sha256=")
    assert endpoint.state == EndpointState.ACTIVE


def test_the_bare_nonce_is_an_answer_too(worker: Worker) -> None:
    with receiving(respond=lambda body: Answer(201, body=json.loads(body)["challenge"].encode() + b"\n")) as receiver:
        endpoint = wait_for_end(endpoint_at(receiver.url))

    assert endpoint.state == EndpointState.ACTIVE
    assert len(receiver.received) == 1


def other(body: bytes) -> Answer:
    return Answer(body=json.dumps({"challenge": secrets.token_urlsafe(32)}).encode())


@pytest.mark.parametrize(
    ("respond", "outcome", "error"),
    [
        (other, "wrong_answer", "The receiver answered with another challenge than it was sent."),
        (
            lambda body: Answer(),
            "wrong_answer",
            "The receiver accepted the challenge, but its answer does not contain it.",
        ),
        (
            lambda body: Answer(body=body),
            "wrong_answer",
            "The receiver sent back what it got, as it would anything. It has to answer with the challenge alone.",
        ),
        (lambda body: dataclasses.replace(echo(body), status=500), "http_error", "The receiver answered 500."),
        (
            lambda body: dataclasses.replace(echo(body), status=302, headers={"Location": "/elsewhere"}),
            "redirect",
            "The receiver answered 302. Redirects are not followed: change the endpoint's URL.",
        ),
    ],
)
def test_another_answer_leaves_it_unverified_and_says_why(
    worker: Worker, respond: object, outcome: str, error: str
) -> None:
    with receiving(respond=respond) as receiver:
        endpoint = wait_for_end(endpoint_at(receiver.url))

    assert (endpoint.state, endpoint.must_verify, endpoint.verified_at) == ("unverified", True, None)
    assert (endpoint.challenge_outcome, endpoint.challenge_error, endpoint.challenge_tries) == (outcome, error, 2)
    assert [each.path for each in receiver.received] == ["/hooks", "/hooks"]


def test_a_receiver_that_is_gone_is_not_asked_again(worker: Worker) -> None:
    with receiving(Answer(410), respond=echo) as receiver:
        endpoint = wait_for_end(endpoint_at(receiver.url))

    assert (endpoint.state, endpoint.challenge_outcome, endpoint.challenge_tries) == ("unverified", "endpoint_gone", 1)
    assert len(receiver.received) == 1


def test_a_receiver_that_does_not_answer_costs_the_deadline(worker: Worker) -> None:
    never = threading.Event()
    with receiving(Answer(after=never), Answer(after=never)) as receiver:
        endpoint = wait_for_end(endpoint_at(receiver.url))
        never.set()

    assert (endpoint.state, endpoint.challenge_outcome) == ("unverified", "timeout")
    assert endpoint.challenge_error == "There was no complete answer within 1 seconds."


def test_a_receiver_that_is_not_there_leaves_it_unverified(worker: Worker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    endpoint = wait_for_end(endpoint_at(f"http://127.0.0.1:{port}/"))

    assert (endpoint.state, endpoint.challenge_outcome) == ("unverified", "connection_error")
    assert endpoint.challenge_error == "The connection failed: Connection refused."


def test_an_address_that_is_refused_is_not_connected_to(worker: Worker) -> None:
    endpoint = wait_for_end(endpoint_at("http://169.254.169.254/latest/meta-data/secret-path"))

    assert (endpoint.state, endpoint.challenge_outcome) == ("unverified", "address_refused")
    assert endpoint.challenge_error.startswith("The address was refused: 169.254.169.254")
    assert "secret-path" not in endpoint.challenge_error + worker.log


def test_what_waited_is_cancelled_when_the_challenge_is_given_up(worker: Worker) -> None:
    with receiving(Answer(404), Answer(404), respond=echo) as receiver:
        endpoint = endpoint_at(receiver.url)
        early = settled(publish_event("invoice.paid", {"amount": 1}).event)
        assert is_settled(endpoint)
        late = settled(publish_event("invoice.paid", {"amount": 2}).event)

        for delivery in (early, late):
            assert (delivery.status, delivery.attempt_count) == ("cancelled", 0)
            assert delivery.note == "The endpoint did not answer its ownership challenge."
        endpoint.ask_for_challenge(now=datetime.now(UTC))
        assert settled(publish_event("invoice.paid", {"amount": 3}).event).status == "delivered"

    assert kinds_of(receiver) == ["webhook.challenge"] * 3 + ["event"]


def test_it_is_asked_for_again_over_the_api(worker: Worker) -> None:
    api = ApiClient.with_new_key()
    with receiving(Answer(500), Answer(500), respond=echo) as receiver:
        endpoint = wait_for_end(endpoint_at(receiver.url))
        assert endpoint.state == EndpointState.UNVERIFIED
        response = api.post(f"endpoints/{endpoint.id}/verify/", {})
        assert response.status_code == 202
        assert response.json()["challenge"] == {
            "tries": 0,
            "tried_at": None,
            "outcome": "",
            "error": "",
            "next_try_at": response.json()["challenge"]["next_try_at"],
        }
        assert response.json()["challenge"]["next_try_at"] > response.json()["state_changed_at"]
        wait_for_end(endpoint)

    seen = api.get(f"endpoints/{endpoint.id}/").json()
    assert (seen["state"], seen["challenge"]["outcome"], seen["challenge"]["tries"]) == ("active", "success", 1)
    assert seen["verified_at"] is not None
    assert seen["challenge"]["next_try_at"] is None


@pytest.mark.parametrize("way", ["button", "action"])
def test_it_is_asked_for_again_in_the_admin(worker: Worker, admin_client: Client, way: str) -> None:
    with receiving(Answer(500), Answer(500), respond=echo) as receiver:
        endpoint = wait_for_end(endpoint_at(receiver.url))
        if way == "button":
            response = admin_client.post(page(endpoint, "challenge"))
            assert response.headers["Location"] == page(endpoint)
            expected = "The challenge is being sent. Reload this page to see what comes of it."
        else:
            response = run_action(admin_client, "challenge", endpoint)
            expected = "Challenges asked for: 1."
        assert messages_of(response) == [expected]
        wait_for_end(endpoint)

    assert endpoint.state == EndpointState.ACTIVE


def test_a_new_url_has_to_answer_too_and_what_comes_meanwhile_waits(worker: Worker, admin_client: Client) -> None:
    with receiving(respond=echo) as old, receiving(Answer(500), respond=echo) as new:
        endpoint = wait_for_end(endpoint_at(old.url))
        pattern = endpoint.event_type_patterns.get()
        form = {"url": new.url, "description": "", "signature_schemes": ["standard"]}
        patterns = formset("event_type_patterns", [{"id": pattern.pk, "pattern": "*", "endpoint": endpoint.pk}], [])
        others = formset("signing_secrets", [{}], []) | formset("tls", [], [])
        changed = admin_client.post(page(endpoint), form | patterns | others)
        assert changed.status_code == 302
        event = publish_event("invoice.paid", {"amount": 1}).event
        assert settled(event).status == "delivered"
        endpoint.refresh_from_db()

    assert kinds_of(old) == ["webhook.challenge"]
    assert kinds_of(new) == ["webhook.challenge", "webhook.challenge", "event"]
    assert (endpoint.url, endpoint.state, endpoint.challenge_tries) == (new.url, "active", 2)


def test_the_answer_to_a_challenge_that_an_earlier_url_got_means_nothing(worker: Worker) -> None:
    answers = threading.Event()
    with (
        receiving(respond=lambda body: dataclasses.replace(echo(body), after=answers)) as old,
        receiving(Answer(500), Answer(500)) as new,
    ):
        endpoint = endpoint_at(old.url)
        wait_for(lambda: old.received)
        endpoint.url = new.url
        endpoint.save(update_fields=["url"])
        endpoint.note_new_url(now=datetime.now(UTC))
        answers.set()
        wait_for_end(endpoint)

    assert (endpoint.state, endpoint.challenge_outcome) == ("unverified", "http_error")
    assert len(new.received) == 2


def test_the_demo_receiver_answers(worker: Worker) -> None:
    secret = signing_secrets.generate()
    server = ReceiverServer(
        0,
        scheme=Scheme.STANDARD,
        key=key_of(Scheme.STANDARD, secret),
        misbehaviour=Misbehaviour(),
        report=lambda received: None,
    )
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        endpoint = wait_for_end(endpoint_at(f"http://127.0.0.1:{server.server_port}/", secret=secret))
        assert endpoint.state == EndpointState.ACTIVE
        assert settled(publish_event("invoice.paid", {"amount": 1}).event).status == "delivered"
    finally:
        server.shutdown()
        server.server_close()


def test_many_are_challenged_at_a_time_though_others_hang(worker: Worker) -> None:
    never = threading.Event()
    with receiving(*[Answer(after=never)] * 20) as hanging, receiving(respond=echo) as good:
        hung = [endpoint_at(f"{hanging.url}/{number}") for number in range(10)]
        endpoints = [endpoint_at(f"{good.url}/{number}") for number in range(30)]
        wait_for(lambda: Endpoint.objects.filter(state="active").count() == len(endpoints))
        never.set()
        for endpoint in hung:
            wait_for_end(endpoint)

    assert len(good.received) == len(endpoints)


def test_without_the_setting_an_endpoint_is_active_at_once(worker: Worker, settings: Settings) -> None:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, ownership_challenge=False)
    with receiving() as receiver:
        endpoint = endpoint_at(receiver.url)
        assert (endpoint.state, endpoint.must_verify) == (EndpointState.ACTIVE, False)
        settled(publish_event("invoice.paid", {"amount": 1}).event)
        # Turned on later, it leaves alone what is there.
        settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, ownership_challenge=True)
        settled(publish_event("invoice.paid", {"amount": 2}).event)

    assert kinds_of(receiver) == ["event", "event"]
    assert Delivery.objects.filter(status="delivered").count() == 2
