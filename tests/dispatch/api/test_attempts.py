import subprocess
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from dispatch import heads, outbox
from dispatch.models import Attempt, Delivery
from subscriptions.models import AuditEntry, Scope
from subscriptions.payload_format import PayloadFormat
from tests.api_client import ApiClient
from tests.dispatch.receivers import receiving
from tests.factories import NOON, AttemptFactory, DeliveryFactory, EndpointFactory, EventFactory

PAYLOAD = """{"text":"it's $HOME \\"quoted\\" é"}"""


def found(api: ApiClient, **query: str) -> list[str]:
    return [row["id"] for row in api.get("attempts/", **query).json()["results"]]


def attempt_with_request(url: str = "https://receiver.example/secret-path", **fields: Any) -> Attempt:
    delivery = DeliveryFactory(event=EventFactory(payload=PAYLOAD), endpoint=EndpointFactory(url=url))
    sent = {
        "Content-Type": "application/json",
        "User-Agent": "webhook-dispatcher/1",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(int(NOON.timestamp())),
        "webhook-signature": "v1,the-signature",
        "X-Tenant": "a-secret",
    }
    head = heads.head_of(
        url,
        sent,
        message_id=delivery.event_id,
        timestamp=int(NOON.timestamp()),
        has_token=True,
        payload_format=PayloadFormat.DATA,
    )
    outbox.insert_heads([head])
    return AttemptFactory(
        delivery=delivery, request_head_id=head.id, started_at=NOON + timedelta(milliseconds=900), **fields
    )


def test_an_attempt_is_read_with_its_request_and_its_answer(api: ApiClient):
    attempt = attempt_with_request(dns_ms=1, connect_ms=2, tls_ms=3, first_byte_ms=4, duration_ms=12)
    delivery = attempt.delivery
    read = api.get(f"attempts/{attempt.id}/").json()
    curl = read.pop("curl")
    assert read == {
        "id": attempt.id,
        "delivery": delivery.id,
        "event": delivery.event_id,
        "event_type": "invoice.paid",
        "endpoint": delivery.endpoint_id,
        "subscriber": delivery.endpoint.subscriber_id,
        "number": 1,
        "trigger": "schedule",
        "outcome": "success",
        "status_code": 200,
        "error": "",
        "started_at": "2026-03-01T12:00:00.900000Z",
        "duration_ms": 12,
        "dns_ms": 1,
        "connect_ms": 2,
        "tls_ms": 3,
        "first_byte_ms": 4,
        "remote_address": "192.0.2.1:443",
        "worker": "worker-1",
        "request": {
            "url": "https://receiver.example/…",
            "payload_format": "data",
            "headers": {
                "Host": "receiver.example",
                "Content-Type": "application/json",
                "User-Agent": "webhook-dispatcher/1",
                "webhook-id": delivery.event_id,
                "webhook-timestamp": "1772366400",
                "webhook-signature": "…",
                "X-Tenant": "…",
                "Authorization": "…",
                "Content-Length": str(len(PAYLOAD.encode())),
            },
        },
        "response_headers": {"Content-Type": "text/plain"},
        "response_body": "ok",
    }
    assert curl.startswith("curl -X POST -H 'Content-Type: application/json' ")
    assert curl.endswith(" 'https://receiver.example/…'")
    assert "secret" not in curl


def test_of_a_lost_attempt_no_request_is_known(api: ApiClient):
    attempt = AttemptFactory(outcome="worker_lost")
    read = api.get(f"attempts/{attempt.id}/").json()
    assert (read["request"], read["curl"]) == (None, None)
    assert api.post(f"attempts/{attempt.id}/curl/", {}).status_code == 409


def test_attempts_are_listed_newest_first_and_by_what_they_belong_to(api: ApiClient):
    billing, shipping = DeliveryFactory(), DeliveryFactory()
    first = AttemptFactory(delivery=billing, outcome="timeout")
    second = AttemptFactory(delivery=shipping)
    third = AttemptFactory(delivery=billing, number=2)
    assert found(api) == [third.id, second.id, first.id]
    assert found(api, delivery=billing.id) == found(api, endpoint=billing.endpoint_id) == [third.id, first.id]
    assert found(api, subscriber=billing.endpoint.subscriber_id) == [third.id, first.id]
    assert found(api, outcome="timeout") == found(api, outcome="timeout", endpoint=billing.endpoint_id) == [first.id]
    assert found(api, created_before="2020-01-01T00:00:00Z", endpoint=billing.endpoint_id) == []
    assert found(api, created_after="2020-01-01T00:00:00Z") == [third.id, second.id, first.id]
    (row,) = api.get("attempts/", delivery=shipping.id).json()["results"]
    assert {"request", "response_body", "response_headers", "curl"} & set(row) == set()


def test_pages_of_an_endpoints_attempts_lead_on_and_back(api: ApiClient):
    endpoint = EndpointFactory()
    rows = [
        AttemptFactory(delivery=delivery, number=number).id
        for delivery in DeliveryFactory.create_batch(2, endpoint=endpoint)
        for number in (1, 2, 3)
    ][::-1]

    def page(cursor: str | None) -> tuple[list[str], str | None, str | None]:
        query = {"endpoint": endpoint.id, "limit": "2", **({} if cursor is None else {"cursor": cursor})}
        answer = api.get("attempts/", **query).json()
        on, back = [
            None if answer[key] is None else answer[key].partition("cursor=")[2].replace("%3D", "=")
            for key in ("next", "previous")
        ]
        return [row["id"] for row in answer["results"]], on, back

    first, on, back = page(None)
    assert (first, back) == (rows[:2], None)
    second, on, _ = page(on)
    third, last, back = page(on)
    assert (second, third, last) == (rows[2:4], rows[4:], None)
    assert page(back)[0] == second


def test_a_list_takes_as_many_statements_however_long_it_is(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    AttemptFactory.create_batch(4)
    with django_assert_num_queries(3):
        assert len(found(api, outcome="success")) == 4


def test_a_command_line_is_signed_again_and_works(api: ApiClient):
    with receiving() as receiver:
        attempt = attempt_with_request(receiver.url)
        answer = api.post(f"attempts/{attempt.id}/curl/", {})
        assert answer.headers["Cache-Control"] == "no-store"
        subprocess.run(["sh", "-c", answer.json()["curl"]], check=True, capture_output=True, timeout=20)
        [received] = receiver.received
    secret = attempt.delivery.endpoint.signing_secrets.get()
    from standardwebhooks import Webhook

    headers = {name.lower(): value for name, value in received.headers.items()}
    Webhook(secret.value).verify(received.body, headers)
    assert received.body.decode() == PAYLOAD
    assert headers["webhook-id"] == attempt.delivery.event_id
    [entry] = AuditEntry.objects.filter(object_id=attempt.delivery.endpoint_id, action="revealed")
    assert entry.detail == f"Attempt {attempt.id}, signed again."


def test_only_who_may_see_secrets_may_have_it_signed(api: ApiClient):
    attempt = attempt_with_request()
    assert ApiClient.with_new_key(Scope.READ).post(f"attempts/{attempt.id}/curl/", {}).status_code == 403
    own = ApiClient.with_new_key(Scope.SUBSCRIBER, attempt.delivery.endpoint.subscriber)
    assert own.post(f"attempts/{attempt.id}/curl/", {}).status_code == 200
    other = ApiClient.with_new_key(Scope.SUBSCRIBER, EndpointFactory().subscriber)
    assert other.post(f"attempts/{attempt.id}/curl/", {}).status_code == 404


@pytest.mark.parametrize("text", ["nothing", "att_nothing", "%00"])
def test_an_attempt_that_does_not_exist_is_404(api: ApiClient, text: str):
    assert api.get(f"attempts/{text}/").status_code == 404


def test_a_body_too_long_for_an_argument_is_piped_by_the_shell(api: ApiClient):
    attempt = attempt_with_request()
    Delivery.objects.get(pk=attempt.delivery_id)
    EventFactory._meta.model.objects.filter(pk=attempt.delivery.event_id).update(payload='"' + "x" * 150_000 + '"')
    curl = api.get(f"attempts/{attempt.id}/").json()["curl"]
    assert curl.startswith("printf %s '\"xxx")
    assert " --data-binary @- " in curl
