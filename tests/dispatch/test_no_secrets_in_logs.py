"""Nothing secret is logged, kept in an attempt or shown in a representation, however much goes wrong."""

import json
import logging
import socket
from typing import Any

import pytest
import trustme
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dispatch.access import access_of
from dispatch.connections import Target, target_of
from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.models import Attempt, Delivery
from dispatch.outbox import Claim
from dispatch.publish import publish_event
from dispatch.transport import Request, Result
from subscriptions import credentials, ids, signing_secrets
from subscriptions.models import Endpoint, Subscriber
from tests.api_client import ApiClient
from tests.certificates_made import serving_tls
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.token_endpoints import CLIENT_SECRET, issuing
from tests.dispatch.workers import working
from tests.waiting import wait_for

IN_URL = "/planted-in-path?token=planted-in-query"
PASSWORD, TOKEN, HEADER, OWN = "planted-password", "planted-token", "planted-header-value", "planted-own-header"
SECRET = "whsec_cGxhbnRlZC1zaWduaW5nLXNlY3JldC0wMDAx"
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
# In other forms: base64 of user and password, and the bytes of the signing secret.
PLANTED = [
    "planted",
    "cGxhbnRlZC",
    *(SECRET, PRIVATE, PRIVATE.removeprefix("whsk_"), CLIENT_SECRET, "token-path-of-theirs", "TOKEN-", "of-theirs"),
]


def leaks(text: str) -> list[str]:
    return [secret for secret in PLANTED if secret in text]


def echo(conversation: Conversation) -> None:
    """Answer with all that was sent but its first line, which is the URL, and with cookies and a redirect."""
    request = conversation.read_request()
    lines = request.partition(b"\r\n")[2]
    own = b"Set-Cookie: session=planted-cookie\r\nAuthorization: planted\r\nLocation: http://x.example/planted\r\n"
    repeated = b"X-Echo: " + request.split(b"X-Own: ")[1].split(b"\r\n")[0] + b"\r\n"
    conversation.send(b"HTTP/1.1 500 No\r\n", own, repeated, b"Content-Length: %d\r\n\r\n%s" % (len(lines), lines))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("debug", ["0", "1"])
def test_a_worker_that_logs_all_it_can_logs_and_keeps_no_secret(
    process_environment: dict[str, str], debug: str
) -> None:
    subscriber = Subscriber.objects.create(name="Acme")

    def endpoint(url: str, **options: Any) -> Endpoint:
        given = {"secret": SECRET, "headers": {"X-Own": OWN}, **options}
        return Endpoint.objects.register(subscriber=subscriber, url=url, **given)[0]

    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
    tls = serving_tls(trustme.CA().issue_cert("127.0.0.1"))
    with (
        receiving_raw(echo) as echoing,
        receiving(Answer(410)) as gone,
        receiving(tls=tls) as untrusted,
        issuing() as (issuer, guarded),
        issuing() as (broken, _),
    ):
        broken.is_broken = True
        endpoint(f"{base(echoing.url)}{IN_URL}", credentials={"kind": "basic", "user": "ada", "password": PASSWORD})
        endpoint(f"{base(echoing.url)}{IN_URL}&2", credentials={"kind": "bearer", "token": TOKEN})
        endpoint(f"{base(gone.url)}{IN_URL}", credentials={"kind": "header", "name": "X-Key", "value": HEADER})
        endpoint(f"{base(untrusted.url)}{IN_URL}")
        endpoint(f"{nobody}{IN_URL}", secret=PRIVATE)
        endpoint(f"http://10.0.0.1{IN_URL}")
        endpoint(f"http://name.invalid{IN_URL}")
        endpoint(f"{base(guarded.url)}{IN_URL}", credentials=issuer.credentials)
        endpoint(f"{base(guarded.url)}{IN_URL}", credentials=broken.credentials)
        endpoint(f"{base(guarded.url)}{IN_URL}", credentials=issuer.credentials | {"token_url": f"{nobody}{IN_URL}"})
        unreadable = endpoint(f"{base(guarded.url)}{IN_URL}")
        unreadable.custom_headers.headers = {"Host": OWN}
        unreadable.custom_headers.save()
        broken_url = endpoint(f"{base(guarded.url)}{IN_URL}")
        Endpoint.objects.filter(pk=broken_url.pk).update(url=f"http://[planted{IN_URL}")

        publish_event("invoice.paid", {"amount": 1})
        with working(process_environment, "--loglevel", "DEBUG", LOG_LEVEL="DEBUG", DEBUG=debug) as worker:
            ends = Delivery.objects.filter(status__in=["delivered", "failed"])
            wait_for(lambda: ends.count() == 12, 60)
            worker.stop()
            log = worker.log

    kept = json.dumps(list(Attempt.objects.values("error", "response_headers", "response_body")), ensure_ascii=False)
    assert "DEBUG dispatch" in log
    assert {"credentials_failed", "cannot_build", "success", "http_error", "endpoint_gone"} <= set(
        Attempt.objects.values_list("outcome", flat=True)
    )
    assert leaks(log) == []
    assert leaks(kept) == []
    assert '"set-cookie": "…"' in kept
    assert '"x-echo": "…"' in kept
    assert '"location": "http://x.example/…"' in kept


@pytest.mark.django_db
def test_what_the_api_refuses_is_neither_logged_nor_repeated(caplog: pytest.LogCaptureFixture) -> None:
    api = ApiClient.with_new_key()
    subscriber = Subscriber.objects.create(name="Acme")
    caplog.set_level(logging.DEBUG)
    said = ""
    for wrong in (
        {"url": f"ftp://receiver.example{IN_URL}"},
        {"url": f"https://planted:planted@receiver.example{IN_URL}"},
        {"credentials": {"kind": "basic", "user": "ada", "password": PASSWORD + "\n"}},
        {"credentials": {"kind": "bearer", "token": TOKEN, "more": 1}},
        {"credentials": {"kind": "oauth2", "token_url": f"x:{IN_URL}", "client_id": "a", "client_secret": TOKEN}},
        {"credentials": PASSWORD},
        {"headers": {"X-Own": OWN + "\r\nX: y"}},
        {"headers": OWN},
        {"secret": SECRET + "?"},
    ):
        response = api.post("endpoints/", {"subscriber": subscriber.id, "url": "https://receiver.example/"} | wrong)
        assert response.status_code == 400
        said += response.content.decode()
    # With DEBUG, Django logs statements: this one holds the URL.
    with CaptureQueriesContext(connection) as statements:
        Endpoint.objects.register(subscriber=subscriber, url=f"https://receiver.example{IN_URL}")
    assert leaks(str(statements.captured_queries)) != []
    assert leaks(said) == []
    assert leaks(caplog.text) == []


@pytest.mark.django_db
def test_no_representation_shows_a_secret() -> None:
    subscriber = Subscriber.objects.create(name="Acme")
    given = {"kind": "oauth2", "token_url": f"https://x.example{IN_URL}", "client_id": "a", "client_secret": TOKEN}
    endpoint, secret = Endpoint.objects.register(
        subscriber=subscriber,
        url=f"https://receiver.example{IN_URL}",
        secret=SECRET,
        credentials=given,
        headers={"X-Own": OWN},
    )
    key = ids.decode("ep", endpoint.id)
    snapshot = EndpointSnapshots().get([key], 1.0)[key]
    things = [
        *(endpoint, secret, endpoint.credentials, endpoint.custom_headers, snapshot, snapshot.signer, snapshot.access),
        *(credentials.read(each) for each in (given, {"kind": "bearer", "token": TOKEN})),
        access_of(credentials.read({"kind": "basic", "user": "a", "password": PASSWORD}), {"X-Own": OWN}),
        Request("key", endpoint.url, {"Authorization": TOKEN}, b"{}", snapshot.access),
        Result("key", endpoint.created_at, 1.0, 200, {"set-cookie": TOKEN}, TOKEN.encode(), secrets=(TOKEN,)),
        target_of(endpoint.url),
        Claim(key, key, key, 1, key),
        signing_secrets.private_key(PRIVATE),
    ]
    assert {repr(each): leaks(repr(each) + str(each)) for each in things if leaks(repr(each) + str(each))} == {}
    assert isinstance(target_of(endpoint.url), Target)


def test_no_exception_about_a_url_shows_it() -> None:
    for url in (f"ftp://x.example{IN_URL}", f"http://[planted{IN_URL}", f"http://x:999999{IN_URL}", "planted"):
        with pytest.raises(ValueError, match="not an http or https URL") as refused:
            target_of(url)
        assert leaks(str(refused.value)) == []


def base(url: str) -> str:
    """Return scheme and host of a receiver's URL."""
    return url.rsplit("/", 1)[0]
