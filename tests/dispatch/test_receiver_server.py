import http.client
import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from dispatch import challenge_form, receiver
from dispatch.receiver import Scheme
from dispatch.receiver_server import HOST, Answer, Misbehaviour, Received, ReceiverServer
from dispatch.signing import signature_headers
from tests.dispatch.signers import signer_of

SECRETS = {Scheme.STANDARD: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Scheme.X_SIGNATURE: "an older receiver's secret"}
BODY = b'{"type": "invoice.paid", "amount": 12}'
SECONDS = 20


@dataclass
class Running:
    port: int
    reports: queue.Queue[Received] = field(default_factory=queue.Queue)

    def post(self, body: bytes = BODY, headers: dict[str, str] | None = None) -> requests.Response:
        sent = signed() if headers is None else headers
        return requests.post(f"http://{HOST}:{self.port}/", body, headers=sent, timeout=SECONDS)

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=SECONDS)

    def answers(self) -> list[Answer]:
        """Return the answers since the last call."""
        return [self.reports.get_nowait().answer for _ in range(self.reports.qsize())]


Start = Callable[..., Running]


@contextmanager
def serving(scheme: Scheme = Scheme.STANDARD, **misbehaviour: Any) -> Iterator[Running]:
    reports: queue.Queue[Received] = queue.Queue()
    server = ReceiverServer(
        0,
        scheme=scheme,
        key=receiver.key_of(scheme, SECRETS[scheme]),
        misbehaviour=Misbehaviour(**misbehaviour),
        report=reports.put,
    )
    # So that closing it waits for every request that is under way.
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Running(server.server_port, reports)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda *scheme, **misbehaviour: stack.enter_context(serving(*scheme, **misbehaviour))


def signed(
    body: bytes = BODY,
    *,
    scheme: Scheme = Scheme.STANDARD,
    secret: str | None = None,
    message_id: str = "evt_1",
    age: int = 0,
) -> dict[str, str]:
    signer = signer_of(secret or SECRETS[scheme], schemes=[str(scheme)])
    return dict(signature_headers(signer, message_id=message_id, timestamp=int(time.time()) - age, body=body))


def test_a_good_request_is_accepted(start: Start) -> None:
    running = start()

    answer = running.post()

    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    assert answer.headers["Content-Type"] == "application/json"
    assert running.answers() == [Answer(200, "success", verified=True, event_type="invoice.paid")]


def test_a_repetition_is_accepted_and_marked(start: Start) -> None:
    running = start()

    answers = [running.post(headers=signed(message_id=name)) for name in ("evt_1", "evt_2", "evt_1")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["status"] for answer in answers] == ["success", "success", "duplicate"]
    assert [answer.duplicate for answer in running.answers()] == [False, False, True]


def test_a_challenge_is_answered_each_time_but_only_a_genuine_one(start: Start) -> None:
    running = start()
    body = challenge_form.body_with("a-nonce")

    answers = [running.post(body, signed(body)).content for _ in range(2)]
    forged = running.post(body, signed(body, secret="whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"))

    assert answers == [b'{"challenge": "a-nonce"}'] * 2
    assert (forged.status_code, "a-nonce" in forged.text) == (400, False)
    told = Answer(200, "challenge answered", verified=True, event_type="webhook.challenge", challenge="a-nonce")
    assert running.answers()[:2] == [told, told]


def test_what_only_looks_like_a_challenge_is_an_event(start: Start) -> None:
    body = b'{"type": "webhook.challenge", "challenge": 5}'

    assert start().post(body, signed(body)).json() == {"status": "success"}


@pytest.mark.parametrize(
    ("body", "headers", "reason", "verified"),
    [
        (BODY, {}, "The header webhook-id is missing.", False),
        (BODY, signed(b"{}"), "The signature does not match.", False),
        (BODY, signed(secret="whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"), "The signature does not match.", False),
        (BODY, {**signed(), "webhook-signature": "v1,\xe9"}, "The signature does not match.", False),
        (BODY, signed(age=100_000), "The timestamp is more than 5 minutes old.", False),
        (BODY, signed(age=-100_000), "The timestamp is more than 5 minutes in the future.", False),
        (b"{", signed(b"{"), "The body is not JSON.", True),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(
    start: Start, body: bytes, headers: dict[str, str], reason: str, verified: bool
) -> None:
    running = start()

    answer = running.post(body, headers)

    assert (answer.status_code, answer.json()) == (400, {"status": "error", "reason": reason})
    assert running.answers() == [Answer(400, reason, verified=verified)]


def test_what_was_refused_is_no_repetition_afterwards(start: Start) -> None:
    running = start()

    running.post(b"changed")

    assert running.post().json() == {"status": "success"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(start: Start, method: str) -> None:
    running = start()

    answer = requests.request(method, f"http://{HOST}:{running.port}/", data=BODY, headers=signed(), timeout=SECONDS)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_the_plain_scheme(start: Start) -> None:
    running = start(Scheme.X_SIGNATURE)

    good = signed(scheme=Scheme.X_SIGNATURE)
    answers = [running.post(headers=good), running.post(headers=good), running.post(b"{}", good), running.post()]

    assert [answer.status_code for answer in answers] == [200, 200, 400, 400]
    assert [answer.reason for answer in running.answers()] == [
        "success",
        "duplicate",
        "The signature does not match.",
        "The header x-signature is missing.",
    ]


def test_a_plain_request_without_an_id_is_accepted_each_time(start: Start) -> None:
    running = start(Scheme.X_SIGNATURE)
    headers = signed(scheme=Scheme.X_SIGNATURE)
    del headers["webhook-id"]

    assert [running.post(headers=headers).json() for _ in range(2)] == [{"status": "success"}] * 2


def test_it_fails_the_first_requests_whatever_they_are(start: Start) -> None:
    running = start(fail_first=2)

    answers = [running.post(headers={}), running.post(), running.post()]

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert [answer.reason for answer in running.answers()] == [
        "Request 1 of 2 that fail (--fail-first).",
        "Request 2 of 2 that fail (--fail-first).",
        "success",
    ]


def test_it_always_answers_a_given_status(start: Start) -> None:
    running = start(status=410)

    assert [running.post().status_code, running.post(headers={}).status_code, running.post().status_code] == [410] * 3
    # Nothing was accepted, so nothing was repeated.
    assert [(answer.verified, answer.duplicate) for answer in running.answers()] == [
        (True, False),
        (False, False),
        (True, False),
    ]


def test_a_given_status_may_have_no_body(start: Start) -> None:
    answer = start(status=204).post()

    assert (answer.status_code, answer.content) == (204, b"")


def test_it_is_slow(start: Start) -> None:
    running = start(delay=0.2)

    started = time.monotonic()
    assert running.post().status_code == 200
    assert time.monotonic() - started >= 0.2


def test_it_never_answers_and_lets_go_of_a_sender_that_leaves(start: Start) -> None:
    running = start(hang=True)

    with running.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        assert running.reports.get(timeout=SECONDS).answer == Answer(None, "Never answered (--hang).")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    # Closing the server at the end of the test waits for the request: it has ended with its connection.


def test_a_sender_that_breaks_off_makes_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(hang=True) as running, running.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        running.reports.get(timeout=SECONDS)
        # Closes with a reset instead of a goodbye.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert capfd.readouterr().err == ""


def test_an_answer_leaves_in_one_piece(start: Start) -> None:
    running = start(status=200)

    with running.connect() as connection:
        for _ in range(20):
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            assert connection.recv(65536).endswith(b'\r\n\r\n{"status": "success"}')


def test_one_connection_serves_many_requests(start: Start) -> None:
    running = start()

    with closing(http.client.HTTPConnection(HOST, running.port, timeout=SECONDS)) as connection:
        connection.connect()
        first_socket = connection.sock
        for method, expected in (("POST", 200), ("GET", 405), ("HEAD", 405), ("POST", 200)):
            connection.request(method, "/", BODY, signed())
            response = connection.getresponse()
            response.read()
            assert response.status == expected
            assert connection.sock is first_socket


def test_a_sender_that_asks_first_is_told_to_go_on(start: Start) -> None:
    running = start(status=200)

    with running.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_over_the_limit_is_refused_with_an_answer_to_a_sender_that_sends_it_all_first(start: Start) -> None:
    running = start()

    with running.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 12000000\r\n\r\n" + b" " * 12_000_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert running.answers() == [Answer(413, "The body is 12000000 bytes, more than 1048576.")]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        # Without a version in the request, the answer has no head either.
        (b"nonsense\r\n\r\n", b""),
        (b"BREW / HTTP/1.1\r\n\r\n", b"HTTP/1.1 501 "),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 400 "),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc", b"HTTP/1.1 400 "),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 411 "),
        (b"POST /" + b"x" * 70_000, b"HTTP/1.1 414 "),
    ],
)
def test_what_is_hardly_http_is_refused_and_told_too(start: Start, sent: bytes, status: bytes) -> None:
    running = start()

    with running.connect() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(status)
    assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["status"] == "error"
    assert len(running.answers()) == 1
