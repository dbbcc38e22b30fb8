"""Receivers that want to hold, fill or fool the sender: beyond their time, which `test_deadlines` measures."""

import contextlib
import gzip
import os
import socket
import ssl
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from dispatch.states import Outcome
from dispatch.transport import Request, Result
from tests.certificates_made import serving_tls
from tests.dispatch.behaviours import (
    CHUNKED,
    HEAD,
    Behaviour,
    flood,
    say,
    say_and_hold,
    say_and_reset,
)
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.sending import (
    DEADLINE,
    NOT_HTTP,
    RESET,
    RESPONSE_LIMIT,
    TIMED_OUT,
    TOO_SHORT,
    collect,
    send,
    transporting,
)

MEMORY_LIMIT = 20_000_000
SETTINGS_OF_HTTP_2 = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"

NOTHING_WRONG = (None, "")


# What a receiver does with each connection, what comes of it, and the status that is known. None of them hangs.
LARGE: dict[str, tuple[Behaviour, tuple[Outcome | None, str], int | None]] = {
    "a body of 1 GB": (flood(HEAD + b"Content-Length: 1000000000\r\n\r\n", b"x" * 65536), NOTHING_WRONG, 200),
    "a body without end": (flood(HEAD + b"\r\n", b"x" * 65536), NOTHING_WRONG, 200),
    "chunks of 1 MB without end": (flood(CHUNKED, b"100000\r\n" + b"x" * 0x100000 + b"\r\n"), NOTHING_WRONG, 200),
    "chunks of one byte without end": (flood(CHUNKED, b"1\r\nx\r\n" * 100), NOTHING_WRONG, 200),
    "a chunk of 1 TB": (flood(CHUNKED + b"10000000000\r\n", b"x" * 65536), NOTHING_WRONG, 200),
    "a chunk of -1 bytes": (flood(CHUNKED + b"-1\r\n", b"x" * 65536), NOT_HTTP, 200),
    "a chunk of -1 bytes after another": (flood(CHUNKED + b"1\r\nx\r\n-1\r\n", b"x" * 65536), NOT_HTTP, 200),
    "a chunk of -2 bytes": (flood(CHUNKED + b"-2\r\n", b"x" * 65536), NOT_HTTP, 200),
    "a chunk size without end": (flood(CHUNKED, b"0" * 4096), NOT_HTTP, 200),
    "a chunk extension without end": (flood(CHUNKED + b"1;", b"x" * 4096), NOT_HTTP, 200),
    "trailers without end": (flood(CHUNKED + b"0\r\n", b"X-Y: z\r\n" * 99), NOT_HTTP, 200),
    "a gzip bomb": (
        say(HEAD, b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", gzip.compress(bytes(50_000_000), 9)),
        NOTHING_WRONG,
        200,
    ),
    "a bomb in several layers": (
        say(
            HEAD,
            b"Content-Encoding: gzip, gzip\r\nConnection: close\r\n\r\n",
            gzip.compress(gzip.compress(bytes(50_000_000), 9), 9),
        ),
        NOTHING_WRONG,
        200,
    ),
    "5 MB of headers": (say(HEAD, (b"X-Y: " + b"z" * 995 + b"\r\n") * 5000, b"\r\n"), NOT_HTTP, None),
    "a header of 5 MB": (say(HEAD, b"X-Y: " + b"z" * 5_000_000 + b"\r\n\r\n"), NOT_HTTP, None),
    "a header in 100,000 lines": (say(HEAD, b"X-Y: z\r\n", b" z\r\n" * 100_000, b"\r\n"), NOT_HTTP, None),
    "a header without end": (flood(HEAD + b"X-Y: ", b"z" * 65536), NOT_HTTP, None),
    "a reason without end": (flood(b"HTTP/1.1 200 ", b"O" * 65536), NOT_HTTP, None),
    "100 Continue without end": (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99), NOT_HTTP, None),
    "100 Continue with headers without end": (
        flood(b"", b"HTTP/1.1 100 Continue\r\n" + b"X-Y: z\r\n" * 90 + b"\r\n"),
        NOT_HTTP,
        None,
    ),
    "100 Continue with a header without end": (flood(b"HTTP/1.1 100 Continue\r\nX-Y: ", b"z" * 65536), NOT_HTTP, None),
    "nothing but zeros without end": (flood(b"", bytes(65536)), NOT_HTTP, None),
    "nothing but ends of lines": (flood(b"", b"\r\n" * 9999), NOT_HTTP, None),
}


class TestALargeAnswer:
    @pytest.mark.parametrize(("behave", "expected", "status"), LARGE.values(), ids=LARGE.keys())
    def test_is_neither_stored_nor_held_in_memory(
        self, behave: Behaviour, expected: tuple[Outcome | None, str], status: int | None
    ) -> None:
        with receiving_raw(behave) as receiver, transporting() as transport, traced() as memory:
            result = send(transport, receiver.url)
            used = memory()

        assert ((result.failure, result.error), result.status_code) == (expected, status)
        assert len(result.body) <= RESPONSE_LIMIT
        assert used < MEMORY_LIMIT

    def test_is_not_held_by_many_at_a_time(self) -> None:
        behave = flood(HEAD + b"Content-Length: 1000000000\r\n\r\n", b"x" * 65536)
        with receiving_raw(behave) as receiver, transporting(concurrency=20) as transport, traced() as memory:
            for number in range(20):
                transport.submit(Request(number, receiver.url, {}, b"{}"))
            results = collect(transport.poll, 20)
            used = memory()

        assert {(each.status_code, len(each.body)) for each in results} == {(200, RESPONSE_LIMIT)}
        assert used < MEMORY_LIMIT


@contextlib.contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Give a block a function that says by how many bytes the process grew within it, at its peak."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


class TestABrokenAnswer:
    @pytest.mark.parametrize(
        ("behave", "expected", "status"),
        [
            pytest.param(
                say_and_reset(HEAD, b"Content-Length: 100\r\n\r\nshort"), RESET, 200, id="a reset within the body"
            ),
            pytest.param(say_and_reset(HEAD, b"\r\nshort"), RESET, 200, id="a reset within a body without a length"),
            pytest.param(say_and_reset(CHUNKED, b"5\r\nsh"), RESET, 200, id="a reset within a chunk"),
            pytest.param(say_and_reset(b"HTTP/1.1 200"), RESET, None, id="a reset within the status line"),
            pytest.param(say_and_reset(b"HTTP/1.1 100 Continue\r\n\r\n"), RESET, None, id="a reset after 100 Continue"),
            pytest.param(say(SETTINGS_OF_HTTP_2), TOO_SHORT, None, id="the settings of HTTP/2"),
            pytest.param(
                say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SETTINGS_OF_HTTP_2), NOT_HTTP, None, id="a preface of HTTP/2"
            ),
            pytest.param(say(b"SSH-2.0-OpenSSH_9.6\r\n"), NOT_HTTP, None, id="the greeting of SSH"),
            pytest.param(say(b"220 mail.example ESMTP\r\n"), NOT_HTTP, None, id="the greeting of a mail server"),
            pytest.param(say(b"-ERR unknown command 'POST'\r\n"), NOT_HTTP, None, id="an error of Redis"),
        ],
    )
    def test_ends_in_its_class(self, behave: Behaviour, expected: tuple[Outcome, str], status: int | None) -> None:
        with receiving_raw(behave) as receiver, transporting() as transport:
            result = send(transport, receiver.url)

        # What a reset overtakes is not always read.
        assert (result.failure, result.error) == expected
        assert result.status_code == status or (expected == RESET and result.status_code is None)

    @pytest.mark.parametrize(
        ("behave", "status"),
        [
            pytest.param(say_and_hold(SETTINGS_OF_HTTP_2), None, id="the settings of HTTP/2"),
            pytest.param(say_and_hold(b"HTTP/1.1 100 Continue\r\n\r\n"), None, id="100 Continue"),
            pytest.param(say_and_hold(CHUNKED, b"5;x"), 200, id="half of a chunk's size"),
            pytest.param(say_and_hold(CHUNKED, b"0\r\nX-Y: z\r\n"), 200, id="half of the trailers"),
        ],
    )
    def test_that_goes_no_further_costs_no_more_than_the_deadline(self, behave: Behaviour, status: int | None) -> None:
        with receiving_raw(behave) as receiver, transporting(deadline=DEADLINE) as transport:
            results = [send(transport, receiver.url) for _ in range(3)]

        assert {((each.failure, each.error), each.status_code) for each in results} == {(TIMED_OUT, status)}
        # On a busy machine one of them may be late.
        assert min(each.duration for each in results) < DEADLINE + 0.5


class TestARedirect:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_to_itself_is_one_request(self, status: int) -> None:
        def behave(conversation: Conversation) -> None:
            while conversation.read_request():
                conversation.send(
                    f"HTTP/1.1 {status} Again\r\nLocation: {receiver.url}\r\nContent-Length: 0\r\n\r\n".encode()
                )
                requests.append(status)

        requests: list[int] = []
        with receiving_raw(behave) as receiver, transporting() as transport:
            result = send(transport, receiver.url)
            # On the same connection: had there been a second request before it, it would be here.
            send(transport, receiver.url)

        assert (result.status_code, result.failure) == (status, None)
        assert (len(requests), receiver.connections) == (2, 1)


class TestTls:
    def test_a_chain_without_its_middle_is_refused(
        self, authority: trustme.CA, trusting: ssl.SSLContext, tmp_path: Path
    ) -> None:
        certificate = authority.create_child_ca().issue_cert("127.0.0.1")
        # The receiver sends its own certificate, but not the one between that and the authority's.
        certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate.pem"))
        certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
        result = send_over_tls(lambda conversation: conversation.start_tls(serving), trusting)

        assert (result.failure, result.error) == (
            Outcome.TLS_ERROR,
            "TLS failed: unable to get local issuer certificate.",
        )

    def test_a_whole_chain_is_accepted(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        serving = serving_tls(authority.create_child_ca().issue_cert("127.0.0.1"))

        def behave(conversation: Conversation) -> None:
            conversation.start_tls(serving)
            say(HEAD, b"Content-Length: 0\r\n\r\n")(conversation)

        assert send_over_tls(behave, trusting).status_code == 200

    def test_a_certificate_that_is_not_valid_yet_is_refused(
        self, authority: trustme.CA, trusting: ssl.SSLContext
    ) -> None:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        serving = serving_tls(authority.issue_cert("127.0.0.1", not_before=tomorrow))
        result = send_over_tls(lambda conversation: conversation.start_tls(serving), trusting)

        assert (result.failure, result.error) == (Outcome.TLS_ERROR, "TLS failed: certificate is not yet valid.")

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda each: each.name)
    def test_a_demand_for_a_client_certificate_is_an_error_of_tls(
        self, version: ssl.TLSVersion, authority: trustme.CA, trusting: ssl.SSLContext
    ) -> None:
        serving = serving_tls(authority.issue_cert("127.0.0.1"), Lingering)
        authority.configure_trust(serving)
        serving.verify_mode = ssl.CERT_REQUIRED
        serving.minimum_version = serving.maximum_version = version
        result = send_over_tls(lambda conversation: conversation.start_tls(serving), trusting)

        assert (result.failure, result.status_code) == (Outcome.TLS_ERROR, None)
        assert result.error in {
            "TLS failed: tlsv13 alert certificate required.",
            "TLS failed: sslv3 alert handshake failure.",
            "TLS failed: ssl/tls alert handshake failure.",
        }

    @pytest.mark.parametrize("alert", [b"\x15\x03\x03\x00\x02\x02\x28", b"\x15\x03\x03\x00\x02\x02\x70"])
    def test_an_alert_instead_of_a_handshake_is_an_error_of_tls(self, alert: bytes, trusting: ssl.SSLContext) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.send(alert)
            conversation.wait_for_end()

        assert send_over_tls(behave, trusting).failure is Outcome.TLS_ERROR

    def test_http_2_is_not_offered(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        serving = serving_tls(authority.issue_cert("127.0.0.1"))
        serving.set_alpn_protocols(["h2"])

        def behave(conversation: Conversation) -> None:
            conversation.start_tls(serving)
            say(SETTINGS_OF_HTTP_2)(conversation)

        result = send_over_tls(behave, trusting)

        assert (result.failure, result.error) == TOO_SHORT

    def test_a_body_of_1_gb_is_not_held_in_memory(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        serving = serving_tls(authority.issue_cert("127.0.0.1"))

        def behave(conversation: Conversation) -> None:
            conversation.start_tls(serving)
            flood(HEAD + b"Content-Length: 1000000000\r\n\r\n", b"x" * 65536)(conversation)

        with traced() as memory:
            result = send_over_tls(behave, trusting)
            used = memory()

        assert (result.status_code, len(result.body)) == (200, RESPONSE_LIMIT)
        assert used < MEMORY_LIMIT

    def test_what_follows_an_answer_is_not_taken_for_the_next(
        self, authority: trustme.CA, trusting: ssl.SSLContext
    ) -> None:
        serving = serving_tls(authority.issue_cert("127.0.0.1"))
        forged = b"HTTP/1.1 299 Forged\r\nContent-Length: 0\r\n\r\n"

        def behave(conversation: Conversation) -> None:
            conversation.start_tls(serving)
            say(HEAD, b"Content-Length: 2\r\n\r\n")(conversation)
            # All of it in one record of TLS, of which less is read at a time.
            conversation.send(b"ok".ljust(8192, b"x") + forged)
            conversation.read_request()

        with receiving_raw(behave) as receiver, transporting(tls=trusting) as transport:
            url = receiver.url.replace("http://", "https://")
            results = [send(transport, url) for _ in range(2)]

        assert [(each.status_code, each.body) for each in results] == [(200, b"ok")] * 2
        assert receiver.connections == 2


class Lingering(ssl.SSLContext):
    """After a handshake that failed it waits for the other side to close, so that its alert is not overtaken."""

    def wrap_socket(self, sock: socket.socket, *_: Any, **__: Any) -> ssl.SSLSocket:
        wrapped = super().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        with contextlib.suppress(ssl.SSLError):
            wrapped.do_handshake()
        with contextlib.suppress(OSError):
            while os.read(wrapped.fileno(), 65536):
                pass
        return wrapped


def send_over_tls(behave: Behaviour, tls: ssl.SSLContext) -> Result:
    with receiving_raw(behave) as receiver, transporting(tls=tls) as transport:
        return send(transport, receiver.url.replace("http://", "https://"))
