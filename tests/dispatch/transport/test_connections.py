"""Which connections are made, used again and closed."""

import contextlib
import socket
import ssl
import threading
import time
from typing import Any

import pytest
import trustme

from dispatch.states import Outcome
from dispatch.transport import Request
from tests.dispatch.behaviours import (
    OK,
    answering,
    over_tls,
)
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.receivers import receiving
from tests.dispatch.sending import (
    LONG,
    collect,
    send,
    transporting,
)
from tests.dispatch.transport.names import resolving
from tests.waiting import wait_for


class TestConnections:
    def test_one_is_used_for_several_requests(self) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting() as transport:
            results = [send(transport, f"{receiver.url}/{number}") for number in range(5)]

        assert [each.status_code for each in results] == [200] * 5
        assert [each.remote_address for each in results] == ["127.0.0.1"] * 5
        assert receiver.connections == 1

    def test_only_a_new_one_takes_time_to_be_made(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        behave = over_tls(authority.issue_cert("localhost"), answering(OK))
        with receiving_raw(behave) as receiver, transporting(tls=trusting) as transport:
            first, second = [send(transport, f"https://localhost:{receiver.port}/").timings for _ in range(2)]
        assert first.dns is not None
        assert first.connect is not None
        assert first.tls is not None
        assert min(first.dns, first.connect, first.tls) > 0
        assert (second.dns, second.connect, second.tls) == (None, None, None)
        assert second.first_byte is not None
        assert 0 < second.first_byte < LONG

    def test_one_is_used_for_several_requests_over_tls(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        behave = over_tls(authority.issue_cert("localhost"), answering(OK))
        with receiving_raw(behave) as receiver, transporting(tls=trusting) as transport:
            results = [send(transport, f"https://localhost:{receiver.port}/") for number in range(5)]

        assert ([each.status_code for each in results], receiver.connections) == ([200] * 5, 1)

    def test_one_that_the_receiver_has_closed_is_replaced(self) -> None:
        closed = threading.Event()

        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            conversation.send(OK)
            conversation.close()
            closed.set()

        with receiving_raw(behave) as receiver, transporting() as transport:
            results = []
            for _ in range(3):
                results.append(send(transport, receiver.url))
                assert closed.wait(LONG)
                closed.clear()

        assert ([each.status_code for each in results], receiver.connections) == ([200] * 3, 3)

    @pytest.mark.parametrize(
        "first",
        [
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1002\r\n\r\n" + b"x" * 1002, id="longer than the limit"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", id="says that it closes"
            ),
            pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", id="another protocol"),
        ],
    )
    def test_one_is_not_used_again_after_an_answer_that(self, first: bytes) -> None:
        script = [first, OK]

        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            conversation.send(script.pop(0))
            conversation.wait_for_end()

        with receiving_raw(behave) as receiver, transporting(response_limit=1000) as transport:
            send(transport, receiver.url)
            second = send(transport, receiver.url)

        assert (second.body, receiver.connections) == (b"ok", 2)

    def test_one_is_not_used_again_after_more_than_an_answer(self) -> None:
        said = threading.Event()

        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            conversation.send(OK)
            if receiver.connections == 1:
                received.wait(LONG)
                conversation.send(b"HTTP/1.1 500 Nobody asked\r\nContent-Length: 0\r\n\r\n")
                said.set()
            conversation.wait_for_end()

        received = threading.Event()
        with receiving_raw(behave) as receiver, transporting() as transport:
            send(transport, receiver.url)
            received.set()
            assert said.wait(LONG)
            second = send(transport, receiver.url)

        assert (second.status_code, receiver.connections) == (200, 2)

    def test_of_those_that_are_idle_only_256_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = [f"r{number}.example" for number in range(258)]
        resolving(monkeypatch, {name: ["127.0.0.1"] for name in names})
        ended: list[Conversation] = []

        def behave(conversation: Conversation) -> None:
            while conversation.read_request():
                conversation.send(OK)
            ended.append(conversation)

        with receiving_raw(behave) as receiver, transporting(concurrency=1) as transport:
            for name in [*names[:256], names[0], *names[256:]]:
                assert send(transport, f"http://{name}:{receiver.port}/").status_code == 200
            wait_for(lambda: len(ended) == 2)

            # Names 1 and 2 were idle longest, so it is theirs that were closed.
            for name in names[3:8]:
                send(transport, f"http://{name}:{receiver.port}/")
            assert receiver.connections == 258
            send(transport, f"http://{names[1]}:{receiver.port}/")
            assert receiver.connections == 259

    def test_one_that_is_idle_for_too_long_is_closed_and_not_used_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended: list[Conversation] = []
        later = 0.0

        class Clock:
            @staticmethod
            def monotonic() -> float:
                return time.monotonic() + later

        def behave(conversation: Conversation) -> None:
            answering(OK)(conversation)
            ended.append(conversation)

        monkeypatch.setattr("dispatch.idle_connections.time", Clock)
        with receiving_raw(behave) as receiver, transporting(idle_seconds=LONG) as transport:
            send(transport, receiver.url)
            send(transport, receiver.url)
            assert receiver.connections == 1

            later = LONG + 1
            send(transport, receiver.url)
            assert receiver.connections == 2
            wait_for(lambda: ended == receiver.conversations[:1])

    def test_requests_to_one_host_go_side_by_side(self) -> None:
        together = threading.Barrier(4)

        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            together.wait(LONG)
            conversation.send(OK)

        with receiving_raw(behave) as receiver, transporting(concurrency=4) as transport:
            for number in range(4):
                transport.submit(Request(number, receiver.url, {}, b""))
            results = collect(transport.poll, 4)

        assert {each.key: each.status_code for each in results} == dict.fromkeys(range(4), 200)


class TestNoConnection:
    def test_a_port_where_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with transporting() as transport:
            result = send(transport, f"http://127.0.0.1:{port}/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.error) == (
            Outcome.CONNECTION_ERROR,
            "The connection failed: Connection refused.",
        )
        assert (result.status_code, result.remote_address) == (None, "")

    def test_a_host_that_takes_no_connections(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
            for _ in range(8):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            with transporting(connect_timeout=0.2) as transport:
                result = send(transport, f"http://127.0.0.1:{full.getsockname()[1]}/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.error) == (Outcome.TIMEOUT, "The connection timed out.")
        assert result.duration < 0.7

    @pytest.mark.parametrize("host", ["does-not-exist.invalid", "a..b", "x" * 64 + ".example", "127.0.0.256"])
    def test_a_name_that_does_not_resolve(self, host: str) -> None:
        with transporting() as transport:
            result = send(transport, f"http://{host}/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.error) == (Outcome.DNS_ERROR, "The host name could not be resolved.")

    def test_the_next_address_is_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolving(monkeypatch, {"receiver.example": ["127.0.0.2", "127.0.0.1"]})
        with receiving() as receiver, transporting() as transport:
            result = send(transport, receiver.url.replace("127.0.0.1", "receiver.example"))

        assert (result.status_code, result.remote_address) == (200, "127.0.0.1")

    def test_the_next_address_is_tried_where_the_machine_lacks_a_family(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            # No machine speaks DECnet.
            return [(socket.AF_DECnet, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)), *found(port)]

        def found(port: int) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with receiving() as receiver, transporting() as transport:
            result = send(transport, receiver.url)

        assert (result.status_code, result.error) == (200, "")
