"""No receiver costs more than the deadline, whatever it does."""

import socket
import ssl

import pytest
import trustme

from dispatch.deadlines import Exchange
from dispatch.requests_transport import RequestsTransport
from dispatch.states import Outcome
from dispatch.transport import Request, Result
from tests.dispatch.behaviours import (
    CHUNKED,
    HEAD,
    Behaviour,
    drip,
    flood,
    over_tls,
    say,
    say_and_reset,
)
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.sending import (
    CLOSED,
    DEADLINE,
    NOT_HTTP,
    RESET,
    TIMED_OUT,
    TOO_SHORT,
    collect,
    send,
    transporting,
)

SECRETS = ("path-of-theirs", "token=s3cr3t")


class TestAnExchange:
    def test_shuts_its_socket_when_it_expires(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            exchange = Exchange(0)
            exchange.use(ours)
            exchange.expire()
            assert (exchange.expired, theirs.recv(1)) == (True, b"")
            exchange.finish()

    def test_shuts_a_socket_that_it_gets_too_late(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            exchange = Exchange(0)
            exchange.expire()
            exchange.use(ours)
            assert theirs.recv(1) == b""
            exchange.finish()

    def test_that_is_finished_expires_no_more(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            exchange = Exchange(0)
            exchange.use(ours)
            exchange.finish()
            exchange.expire()
            ours.send(b"x")
            assert (exchange.expired, theirs.recv(1)) == (False, b"x")


# What a receiver does with each connection, what comes of it, and the status that is known.
HOSTILE: dict[str, tuple[Behaviour, tuple[Outcome, str], int | None]] = {
    "it reads nothing and says nothing": (Conversation.hold, TIMED_OUT, None),
    "it says nothing": (drip(b"", b""), TIMED_OUT, None),
    "it drips its status line": (drip(b"HTTP/1.1 200 ", b"O"), TIMED_OUT, None),
    "it drips a header": (drip(HEAD + b"X-Drip: ", b"x"), TIMED_OUT, None),
    "it drips headers": (drip(HEAD, b"X-Drip: x\r\n"), TIMED_OUT, None),
    "it drips a body without a length": (drip(HEAD + b"\r\n", b"x"), TIMED_OUT, 200),
    "it drips a body with a length": (drip(HEAD + b"Content-Length: 900\r\n\r\n", b"x"), TIMED_OUT, 200),
    "it drips chunks": (drip(CHUNKED, b"1\r\nx\r\n"), TIMED_OUT, 200),
    "it drips the size of a chunk": (drip(CHUNKED, b"0"), TIMED_OUT, 200),
    "it drips trailers": (drip(CHUNKED + b"0\r\n", b"X-Drip: x\r\n"), TIMED_OUT, 200),
    "it stops in the middle of its headers": (drip(HEAD + b"X-Y: z\r\n", b""), TIMED_OUT, None),
    "it stops in the middle of its body": (drip(HEAD + b"Content-Length: 9\r\n\r\nx", b""), TIMED_OUT, 200),
    "it says 100 Continue slowly without end": (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), TIMED_OUT, None),
    "it says 100 Continue without end": (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99), NOT_HTTP, None),
    "its status line has no end": (flood(b"HTTP/1.1 200 ", b"O" * 4096), NOT_HTTP, None),
    "its header has no end": (flood(HEAD + b"X-Y: ", b"z" * 4096), NOT_HTTP, None),
    "its headers have no end": (flood(HEAD, b"X-Y: z\r\n" * 9), NOT_HTTP, None),
    "its headers are many and long": (flood(HEAD, b"X-Y: " + b"z" * 60_000 + b"\r\n"), NOT_HTTP, None),
    "its trailers have no end": (flood(CHUNKED + b"0\r\n", b"X-Y: z\r\n" * 99), NOT_HTTP, 200),
    "it closes without an answer": (say(b""), CLOSED, None),
    "it closes within its status line": (say(b"HTTP/1.1 200 O"), TOO_SHORT, None),
    "it closes after its status line": (say(HEAD), TOO_SHORT, None),
    "it closes within a header": (say(HEAD, b"X-Y: z"), TOO_SHORT, None),
    "it closes between headers": (say(HEAD, b"X-Y: z\r\n"), TOO_SHORT, None),
    "it closes after 100 Continue": (say(b"HTTP/1.1 100 Continue\r\n\r\n"), TOO_SHORT, None),
    "it closes within its body": (say(HEAD, b"Content-Length: 100\r\n\r\nshort"), TOO_SHORT, 200),
    "it closes within a chunk": (say(CHUNKED, b"5\r\nsh"), TOO_SHORT, 200),
    "it closes between chunks": (say(CHUNKED, b"5\r\nshort\r\n"), TOO_SHORT, 200),
    "it resets without an answer": (say_and_reset(b""), RESET, None),
    "it resets within its headers": (say_and_reset(HEAD), RESET, None),
    "it says what is no status line": (say(b"hello\r\n\r\n"), NOT_HTTP, None),
    "it says what is no text": (say(bytes(range(128, 256)), b"\r\n\r\n"), NOT_HTTP, None),
    "its status is no number": (say(b"HTTP/1.1 abc OK\r\n\r\n"), NOT_HTTP, None),
    "its status is too small": (say(b"HTTP/1.1 099 OK\r\n\r\n"), NOT_HTTP, None),
    "its status is too large": (say(b"HTTP/1.1 1000 OK\r\n\r\n"), NOT_HTTP, None),
    "it speaks HTTP/2": (say(b"HTTP/2 200\r\n\r\n"), NOT_HTTP, None),
    "it has two lengths": (say(HEAD, b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy"), NOT_HTTP, None),
    "its length is enormous": (say(HEAD, b"Content-Length: 99999999999999999999\r\n\r\nx"), TOO_SHORT, 200),
    "the size of its chunk is no number": (say(CHUNKED, b"size\r\nx\r\n"), TOO_SHORT, 200),
    "the size of its chunk is negative": (say(CHUNKED, b"-5\r\nshort\r\n0\r\n\r\n"), NOT_HTTP, 200),
    "the size of its chunk is enormous": (say(CHUNKED, b"fffffffffffffffffff\r\nx\r\n"), TOO_SHORT, 200),
}


class TestAHostileReceiver:
    @pytest.mark.parametrize(("behave", "expected", "status"), HOSTILE.values(), ids=HOSTILE.keys())
    def test_costs_no_more_than_the_deadline_when(
        self, behave: Behaviour, expected: tuple[Outcome, str], status: int | None
    ) -> None:
        with receiving_raw(behave) as receiver, transporting(deadline=DEADLINE) as transport:
            result = self.sends_in_time(transport, f"{receiver.url}/path-of-theirs?token=s3cr3t")

        assert ((result.failure, result.error), result.status_code) == (expected, status)
        assert result.remote_address == "127.0.0.1"

    @pytest.mark.parametrize(
        ("behave", "status"),
        [
            pytest.param(Conversation.hold, None, id="it says nothing"),
            pytest.param(drip(HEAD + b"X-Drip: ", b"x"), None, id="it drips a header"),
            pytest.param(drip(HEAD + b"\r\n", b"x"), 200, id="it drips a body"),
        ],
    )
    def test_costs_no_more_than_the_deadline_over_tls_when(
        self,
        behave: Behaviour,
        status: int | None,
        authority: trustme.CA,
        trusting: ssl.SSLContext,
    ) -> None:
        behave_over_tls = over_tls(authority.issue_cert("localhost"), behave)
        with receiving_raw(behave_over_tls) as receiver, transporting(tls=trusting, deadline=DEADLINE) as transport:
            result = self.sends_in_time(transport, f"https://localhost:{receiver.port}/path-of-theirs?token=s3cr3t")

        assert ((result.failure, result.error), result.status_code) == (TIMED_OUT, status)

    @pytest.mark.parametrize(
        "behave",
        [
            pytest.param(Conversation.hold, id="it never begins"),
            # The head of a record of 16 kB, in which a server's part of the handshake would come.
            pytest.param(lambda each: (each.send(b"\x16\x03\x03\x40\x00"), each.drip(b"\x02")), id="it drips"),
        ],
    )
    def test_costs_no_more_than_the_deadline_in_the_handshake_when(
        self, behave: Behaviour, trusting: ssl.SSLContext
    ) -> None:
        with receiving_raw(behave) as receiver, transporting(tls=trusting, deadline=DEADLINE) as transport:
            result = self.sends_in_time(transport, f"https://localhost:{receiver.port}/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.error) == TIMED_OUT

    def test_that_closes_at_once_is_a_connection_error(self) -> None:
        with receiving_raw(Conversation.close) as receiver, transporting(deadline=DEADLINE) as transport:
            result = self.sends_in_time(transport, f"{receiver.url}/path-of-theirs?token=s3cr3t")

        # It depends on the moment in which the request meets the closed connection.
        assert result.failure is Outcome.CONNECTION_ERROR
        assert result.error in {
            "The connection failed: closed by the receiver.",
            "The connection failed: Connection reset by peer.",
            "The connection failed: Broken pipe.",
            "The connection failed: Transport endpoint is not connected.",
        }

    def test_that_takes_no_bytes_costs_no_more_than_the_deadline(self) -> None:
        with receiving_raw(Conversation.hold) as receiver, transporting(deadline=DEADLINE) as transport:
            transport.submit(Request("key", receiver.url, {}, b"x" * 20_000_000))
            [result] = collect(transport.poll, 1)

        assert (result.failure, result.error) == TIMED_OUT
        assert result.duration < DEADLINE + 0.5

    @staticmethod
    def sends_in_time(transport: RequestsTransport, url: str) -> Result:
        result = send(transport, url)
        assert result.duration < DEADLINE + 0.5
        assert not any(secret in result.error for secret in SECRETS)
        return result
