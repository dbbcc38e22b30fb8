"""What is kept of an answer."""

import gzip
import logging
import time
from datetime import UTC, datetime

import pytest

from dispatch.transport import Request
from tests.dispatch.behaviours import (
    HEAD,
    OK,
    answering,
)
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.sending import (
    DEADLINE,
    LONG,
    collect,
    send,
    transporting,
)

SECRETS = ("path-of-theirs", "token=s3cr3t")


class TestAnAnswer:
    def test_comes_back_with_all_that_is_known_of_it(self) -> None:
        before = datetime.now(UTC)
        script = Answer(202, {"X-Request-Id": "7", "X-Twice": "a"}, b"th\xc3\xa4nks")
        with receiving(script) as receiver, transporting() as transport:
            transport.submit(Request(("any", "key"), receiver.url, {}, b"{}"))
            [result] = collect(transport.poll, 1)

        assert (result.key, result.status_code, result.body) == (("any", "key"), 202, b"th\xc3\xa4nks")
        assert (result.failure, result.error, result.remote_address) == (None, "", "127.0.0.1")
        assert result.headers["x-request-id"] == "7"
        assert set(result.headers) == {"server", "date", "x-request-id", "x-twice", "content-length"}
        assert before <= result.started_at <= datetime.now(UTC)
        assert 0 < result.duration < LONG

    @pytest.mark.parametrize("status", [200, 204, 301, 404, 410, 429, 500, 503, 599, 999])
    def test_is_an_answer_whatever_its_status(self, status: int) -> None:
        answer = f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode()
        with receiving_raw(answering(answer)) as receiver, transporting() as transport:
            result = send(transport, receiver.url)

        assert (result.status_code, result.failure, result.error) == (status, None, "")

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", id="chunks"
            ),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", id="trailer"
            ),
            pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, id="100 Continue"),
            pytest.param(
                b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, id="interim"
            ),
            pytest.param(b"HTTP/1.0 200\nContent-Length: 2\n\nok", id="bare line feeds"),
        ],
    )
    def test_may_take_any_form_that_http_allows(self, answer: bytes) -> None:
        with receiving_raw(answering(answer)) as receiver, transporting() as transport:
            results = [send(transport, receiver.url) for _ in range(2)]

        assert [(each.status_code, each.body, each.failure) for each in results] == [(200, b"ok", None)] * 2

    def test_is_the_eleventh_where_that_is_interim_too(self) -> None:
        answers = [b"HTTP/1.1 %d Interim\r\n\r\n" % status for status in range(103, 120)]
        with receiving_raw(answering(*answers, OK)) as receiver, transporting() as transport:
            result = send(transport, receiver.url)

        assert (result.status_code, result.body, result.failure) == (113, b"", None)

    def test_without_a_length_ends_with_the_connection(self) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            conversation.send(b"HTTP/1.1 200 OK\r\n\r\nok")

        with receiving_raw(behave) as receiver, transporting() as transport:
            result = send(transport, receiver.url)

        assert (result.status_code, result.body, result.failure) == (200, b"ok", None)

    def test_is_read_up_to_the_limit(self) -> None:
        answers = [Answer(body=b"x" * size) for size in (999, 1000, 1001, 5000)]
        with receiving(*answers) as receiver, transporting(response_limit=1000) as transport:
            results = [send(transport, receiver.url) for _ in range(4)]

        assert [len(each.body) for each in results] == [999, 1000, 1000, 1000]
        assert [each.failure for each in results] == [None] * 4

    def test_without_end_is_cut_off_at_the_limit(self) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            conversation.send(b"HTTP/1.1 200 OK\r\n\r\n")
            conversation.flood(b"x" * 65536)

        with receiving_raw(behave) as receiver, transporting(response_limit=1000) as transport:
            result = send(transport, receiver.url)

        assert (result.status_code, result.body, result.failure) == (200, b"x" * 1000, None)

    def test_that_is_compressed_is_kept_as_it_came(self) -> None:
        bomb = gzip.compress(b"\x00" * 5_000_000)
        with (
            receiving(Answer(headers={"Content-Encoding": "gzip"}, body=bomb)) as receiver,
            transporting(response_limit=1000) as transport,
        ):
            result = send(transport, receiver.url)

        assert len(bomb) > 1000
        assert (result.status_code, result.body) == (200, bomb[:1000])

    def test_has_fifty_headers_at_most_of_which_the_beginning_is_kept(self) -> None:
        lines = [b"X-%d: %s" % (number, b"v" * 2000) for number in range(60)]
        answer = b"\r\n".join([b"HTTP/1.1 200 OK", b"N" * 2000 + b": 1", *lines, b"Content-Length: 0", b"", b""])
        with receiving_raw(answering(answer)) as receiver, transporting() as transport:
            result = send(transport, receiver.url)

        assert result.headers == {"n" * 1000: "1", **{f"x-{number}": "v" * 1000 for number in range(49)}}

    def test_may_repeat_a_header(self) -> None:
        answer = b"HTTP/1.1 200 OK\r\nX-Twice: a\r\nx-twice: b\r\nContent-Length: 0\r\n\r\n"
        with receiving_raw(answering(answer)) as receiver, transporting() as transport:
            result = send(transport, receiver.url)

        assert result.headers["x-twice"] == "a, b"

    def test_that_redirects_is_not_followed(self) -> None:
        with receiving_raw(answering(OK)) as elsewhere:
            answers = [Answer(status, {"Location": elsewhere.url}) for status in (301, 302, 303, 307, 308)]
            with receiving(*answers) as receiver, transporting() as transport:
                results = [send(transport, receiver.url) for _ in range(5)]

        assert [each.status_code for each in results] == [301, 302, 303, 307, 308]
        assert (len(receiver.received), elsewhere.connections) == (5, 0)

    def test_cannot_keep_the_sender_busy_with_cookies(self) -> None:
        cookies = b"Set-Cookie: a=b\r\n" + b"Set-Cookie2: %b\r\n" % (b"a=b," * 16_000) * 3
        behave = answering(HEAD, cookies, b"Content-Length: 0\r\n\r\n")
        with receiving_raw(behave) as receiver, transporting() as transport:
            before = time.process_time()
            result = send(transport, receiver.url)
            spent = time.process_time() - before

        assert (result.status_code, result.failure) == (200, None)
        assert spent < 0.25

    def test_leaves_no_url_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        answer = b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"
        with receiving_raw(answering(answer)) as receiver, transporting(deadline=DEADLINE) as transport:
            send(transport, f"{receiver.url}/path-of-theirs?token=s3cr3t")

        assert not any(secret in caplog.text for secret in SECRETS)
