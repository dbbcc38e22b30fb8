"""Requests side by side, and their end."""

import contextlib
import ssl
import threading
import time

import trustme

from dispatch.requests_transport import RequestsTransport
from dispatch.states import Outcome
from dispatch.transport import Request
from tests.dispatch.behaviours import (
    HEAD,
    OK,
    answering,
    drip,
    over_tls,
    say,
    say_and_reset,
)
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.receivers import receiving
from tests.dispatch.sending import (
    DEADLINE,
    LONG,
    collect,
    limits,
    send,
    transporting,
)
from tests.waiting import wait_for

CLOSING = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"


class TestManyRequests:
    def test_each_comes_back_as_one_result(self) -> None:
        with contextlib.ExitStack() as stack:
            urls = [
                stack.enter_context(receiving()).url,
                stack.enter_context(receiving_raw(answering(OK))).url,
                stack.enter_context(receiving_raw(Conversation.hold)).url,
                stack.enter_context(receiving_raw(say_and_reset(HEAD))).url,
                stack.enter_context(receiving_raw(drip(HEAD, b"X-Drip: x\r\n"))).url,
                stack.enter_context(receiving_raw(say(b"hello\r\n"))).url,
                "http://does-not-exist.invalid/",
                "http://10.0.0.1/",
                "ftp://127.0.0.1/",
                "http:///",
            ]
            transport = stack.enter_context(transporting(concurrency=8, deadline=DEADLINE))
            for number in range(100):
                transport.submit(Request(number, urls[number % 10], {}, b"{}"))
            results = collect(transport.poll, 100)
            assert transport.poll(0) == []

        assert sorted(each.key for each in results) == list(range(100))  # type: ignore[type-var]
        assert {each.key % 10: each.failure for each in results} == {  # type: ignore[operator]
            0: None,
            1: None,
            2: Outcome.TIMEOUT,
            3: Outcome.CONNECTION_ERROR,
            4: Outcome.TIMEOUT,
            5: Outcome.PROTOCOL_ERROR,
            6: Outcome.DNS_ERROR,
            7: Outcome.ADDRESS_REFUSED,
            8: Outcome.CANNOT_BUILD,
            9: Outcome.CANNOT_BUILD,
        }

    def test_no_more_are_under_way_than_is_allowed(self) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            begun.release()
            # With an end, as a test that fails must not hang; and closing, so that no connection is used again.
            go_on.acquire(timeout=LONG)
            conversation.send(CLOSING)

        begun, go_on = threading.Semaphore(0), threading.Semaphore(0)
        with receiving_raw(behave) as receiver, transporting(concurrency=3) as transport:
            for number in range(5):
                transport.submit(Request(number, receiver.url, {}, b""))
            assert [begun.acquire(timeout=LONG) for _ in range(3)] == [True] * 3
            assert not begun.acquire(timeout=0.1)
            go_on.release()
            assert len(collect(transport.poll, 1)) == 1
            assert begun.acquire(timeout=LONG)
            go_on.release(4)
            collect(transport.poll, 4)

    def test_a_poll_returns_without_waiting_longer_than_it_may(self) -> None:
        with transporting() as transport:
            before = time.monotonic()
            assert transport.poll(0) == []
            assert transport.poll(0.05) == []
            assert 0.05 <= time.monotonic() - before < 0.5


class TestClosing:
    def test_ends_all_threads_and_connections(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        ended = threading.Semaphore(0)

        def behave(conversation: Conversation) -> None:
            answering(OK)(conversation)
            ended.release()

        before = set(threading.enumerate())
        over = over_tls(authority.issue_cert("127.0.0.1"), behave)
        with receiving_raw(behave) as receiver, receiving_raw(over) as tls_receiver:
            serving = set(threading.enumerate())
            transport = RequestsTransport(
                limits(concurrency=3),
                trusting,
            )
            send(transport, receiver.url)
            send(transport, f"https://127.0.0.1:{tls_receiver.port}/")
            assert set(threading.enumerate()) > serving
            transport.close()

            # The receivers see the end of both connections.
            assert [ended.acquire(timeout=LONG) for _ in range(2)] == [True] * 2
        wait_for(lambda: set(threading.enumerate()) <= before)

    def test_lets_what_is_submitted_finish(self) -> None:
        with receiving() as receiver:
            transport = RequestsTransport(limits(concurrency=2))
            for number in range(10):
                transport.submit(Request(number, receiver.url, {}, b""))
            transport.close()
            results = transport.poll(0)

        assert sorted(each.key for each in results) == list(range(10))  # type: ignore[type-var]
        assert {each.status_code for each in results} == {200}
