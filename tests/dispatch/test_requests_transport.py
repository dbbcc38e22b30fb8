"""The transport on real sockets of loopback, with real TLS."""

import contextlib
import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import trustme

from dispatch.addresses import AddressPolicy
from dispatch.deadlines import Exchange
from dispatch.requests_transport import Limits, RequestsTransport
from dispatch.special_networks import Network
from dispatch.states import Outcome
from dispatch.transport import Request, Result
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.receivers import Answer, receiving
from tests.waiting import wait_for

DEADLINE = 0.4
LONG = 20.0
TIMED_OUT = (Outcome.TIMEOUT, f"There was no complete answer within {DEADLINE:g} seconds.")
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nok"
CLOSING = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"
SECRETS = ("path-of-theirs", "token=s3cr3t")


def limits(*, allowed_networks: tuple[Network, ...] = LOOPBACK, **changes: Any) -> Limits:
    defaults: dict[str, Any] = {
        "concurrency": 4,
        "deadline": LONG,
        "connect_timeout": LONG,
        "dns_timeout": LONG,
        "response_limit": 1000,
        "idle_connections": 256,
        "idle_seconds": LONG,
        "policy": AddressPolicy(allowed_networks=allowed_networks),
    }
    return Limits(**{**defaults, **changes})


@contextlib.contextmanager
def transporting(tls: ssl.SSLContext | None = None, **changes: Any) -> Iterator[RequestsTransport]:
    transport = RequestsTransport(limits(**changes), tls)
    try:
        yield transport
    finally:
        transport.close()


def collect(transport: RequestsTransport, count: int) -> list[Result]:
    """Wait for `count` results."""
    results: list[Result] = []
    deadline = time.monotonic() + LONG
    while len(results) < count:
        assert time.monotonic() < deadline, f"only {len(results)} of {count} results came"
        results += transport.poll(0.1)
    assert len(results) == count
    return results


def send(
    transport: RequestsTransport, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"{}"
) -> Result:
    transport.submit(Request("key", url, headers or {}, body))
    return collect(transport, 1)[0]


def answering(*parts: bytes) -> Callable[[Conversation], None]:
    """Answer each request of a connection with `parts`."""

    def behave(conversation: Conversation) -> None:
        while conversation.read_request():
            conversation.send(*parts)

    return behave


def resolving(monkeypatch: pytest.MonkeyPatch, hosts: Mapping[str, list[str]]) -> None:
    """Make names mean addresses. What else is looked up goes its normal way."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        if host not in hosts:
            return look_up(host, port, *args, **options)
        return [info for address in hosts[host] for info in look_up(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(autouse=True)
def _no_name_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        flags = 0 if host.lower() == "localhost" else socket.AI_NUMERICHOST
        return look_up(host, port, flags=flags, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serving_tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def over_tls(certificate: trustme.LeafCert, behave: Callable[[Conversation], None]) -> Callable[[Conversation], None]:
    context = serving_tls(certificate)

    def behave_over_tls(conversation: Conversation) -> None:
        conversation.start_tls(context)
        behave(conversation)

    return behave_over_tls


class TestWhatIsSent:
    def test_a_request_is_these_bytes_and_no_others(self) -> None:
        requests: list[bytes] = []

        def behave(conversation: Conversation) -> None:
            requests.append(conversation.read_request())
            conversation.send(OK)

        body = '{"name":"Zoë", "amount": 1.50}'.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "test/1",
            "Accept-Encoding": "identity",
            "X-Y": "z",
        }
        with receiving_raw(behave) as receiver, transporting() as transport:
            send(transport, f"{receiver.url}/a%20b//c?x=1&y=%C3%A9&x=2", headers=headers, body=body)

        assert requests == [
            b"POST /hooks/a%20b//c?x=1&y=%C3%A9&x=2 HTTP/1.1\r\n"
            b"Host: 127.0.0.1:" + str(receiver.port).encode() + b"\r\n"
            b"Content-Type: application/json\r\n"
            b"User-Agent: test/1\r\n"
            b"Accept-Encoding: identity\r\n"
            b"X-Y: z\r\n"
            b"Content-Length: 31\r\n"
            b"\r\n" + body
        ]

    @pytest.mark.parametrize("body", [b"", bytes(range(256)), b"\r\n\r\n", b"0" * 300_000], ids=len)
    def test_the_body_is_sent_as_it_is(self, body: bytes) -> None:
        with receiving() as receiver, transporting() as transport:
            result = send(transport, receiver.url, body=body)

        assert (result.failure, [each.body for each in receiver.received]) == (None, [body])

    def test_the_host_is_named_as_in_the_url(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolving(monkeypatch, {"receiver.example": ["127.0.0.1"]})
        with receiving() as receiver, transporting() as transport:
            port = receiver.url.rpartition(":")[2]
            result = send(transport, f"http://Receiver.EXAMPLE:{port}")

        assert (result.status_code, receiver.received[0].headers["Host"]) == (
            200,
            f"receiver.example:{port.split('/')[0]}",
        )

    def test_a_url_without_a_path_has_the_root(self) -> None:
        with receiving() as receiver, transporting() as transport:
            send(transport, receiver.url.removesuffix("/hooks"))
            send(transport, receiver.url.removesuffix("/hooks") + "?x=1")

        assert [each.path for each in receiver.received] == ["/", "/?x=1"]

    def test_an_ipv6_receiver_gets_its_request(self) -> None:
        try:
            context = receiving_raw(answering(OK), family=socket.AF_INET6, host="::1")
            receiver = context.__enter__()
        except OSError:
            pytest.skip("this machine has no IPv6")
        with contextlib.ExitStack() as stack:
            stack.push(context)
            transport = stack.enter_context(transporting())
            result = send(transport, receiver.url)

        assert (result.status_code, result.remote_address) == (200, "::1")

    @pytest.mark.parametrize(
        ("url", "headers"),
        [
            ("ftp://127.0.0.1/path-of-theirs?token=s3cr3t", {}),
            ("http:///path-of-theirs?token=s3cr3t", {}),
            ("http://127.0.0.1:99999/path-of-theirs?token=s3cr3t", {}),
            ("http://127.0.0.1/path-of-theirs?token=s3cr3t", {"X-Y": "a\r\nHost: b"}),
            ("http://127.0.0.1/path-of-theirs?token=s3cr3t", {"X-Y: a\r\nHost": "b"}),
            ("http://127.0.0.1/path-of-theirs?token=s3cr3t", {"X-Y": "€"}),
        ],
    )
    def test_what_is_no_request_is_not_sent(self, url: str, headers: dict[str, str]) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting() as transport:
            result = send(transport, url.replace("127.0.0.1/", f"127.0.0.1:{receiver.port}/"), headers=headers)

        assert (result.failure, result.status_code) == (Outcome.CANNOT_BUILD, None)
        assert result.error.startswith("The request could not be sent (")
        assert not any(secret in result.error for secret in SECRETS)


class TestAnAnswer:
    def test_comes_back_with_all_that_is_known_of_it(self) -> None:
        before = datetime.now(UTC)
        script = Answer(202, {"X-Request-Id": "7", "X-Twice": "a"}, b"th\xc3\xa4nks")
        with receiving(script) as receiver, transporting() as transport:
            transport.submit(Request(("any", "key"), receiver.url, {}, b"{}"))
            [result] = collect(transport, 1)

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
        with receiving(*answers) as receiver, transporting() as transport:
            results = [send(transport, receiver.url) for _ in range(4)]

        assert [len(each.body) for each in results] == [999, 1000, 1000, 1000]
        assert [each.failure for each in results] == [None] * 4

    def test_without_end_is_cut_off_at_the_limit(self) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            conversation.send(b"HTTP/1.1 200 OK\r\n\r\n")
            conversation.flood(b"x" * 65536)

        with receiving_raw(behave) as receiver, transporting() as transport:
            result = send(transport, receiver.url)

        assert (result.status_code, result.body, result.failure) == (200, b"x" * 1000, None)

    def test_that_is_compressed_is_kept_as_it_came(self) -> None:
        bomb = gzip.compress(b"\x00" * 5_000_000)
        with (
            receiving(Answer(headers={"Content-Encoding": "gzip"}, body=bomb)) as receiver,
            transporting() as transport,
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


class TestConnections:
    def test_one_is_used_for_several_requests(self) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting() as transport:
            results = [send(transport, f"{receiver.url}/{number}") for number in range(5)]

        assert [each.status_code for each in results] == [200] * 5
        assert [each.remote_address for each in results] == ["127.0.0.1"] * 5
        assert receiver.connections == 1

    def test_only_a_new_one_takes_time_to_be_made(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        behave = over_tls(authority.issue_cert("localhost"), answering(OK))
        with receiving_raw(behave) as receiver, transporting(trusting) as transport:
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
        with receiving_raw(behave) as receiver, transporting(trusting) as transport:
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

        with receiving_raw(behave) as receiver, transporting() as transport:
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
            results = collect(transport, 4)

        assert {each.key: each.status_code for each in results} == dict.fromkeys(range(4), 200)


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


class TestTheEnvironment:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_its_proxies_are_not_used(
        self, scheme: str, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, trusting: ssl.SSLContext
    ) -> None:
        behave = answering(OK) if scheme == "http" else over_tls(authority.issue_cert("127.0.0.1"), answering(OK))
        with receiving_raw(answering(OK)) as proxy, receiving_raw(behave) as receiver:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
                monkeypatch.setenv(name.upper(), proxy.url)
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.setenv(name, "")
            with transporting(trusting) as transport:
                result = send(transport, f"{scheme}://127.0.0.1:{receiver.port}/")

        assert (result.status_code, receiver.connections, proxy.connections) == (200, 1, 0)

    def test_its_netrc_is_not_used(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login somebody password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HOME", str(tmp_path))
        with receiving() as receiver, transporting() as transport:
            send(transport, receiver.url)

        assert "Authorization" not in receiver.received[0].headers

    def test_its_authorities_are_not_trusted(
        self, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, tmp_path: Path
    ) -> None:
        bundle = tmp_path / "bundle.pem"
        authority.cert_pem.write_to_path(str(bundle))
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(bundle))
        behave = over_tls(authority.issue_cert("127.0.0.1"), answering(OK))
        with receiving_raw(behave) as receiver, transporting() as transport:
            result = send(transport, f"https://127.0.0.1:{receiver.port}/")

        assert (result.failure, result.error) == (
            Outcome.TLS_ERROR,
            "TLS failed: unable to get local issuer certificate.",
        )


class TestTls:
    def test_the_name_of_the_url_is_asked_for_and_checked(
        self, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, trusting: ssl.SSLContext
    ) -> None:
        resolving(monkeypatch, {"receiver.example": ["127.0.0.1"]})
        asked_for: list[str | None] = []
        context = serving_tls(authority.issue_cert("receiver.example"))
        context.sni_callback = lambda _, name, __: asked_for.append(name)

        def behave(conversation: Conversation) -> None:
            conversation.start_tls(context)
            answering(OK)(conversation)

        with receiving_raw(behave) as receiver, transporting(trusting) as transport:
            result = send(transport, f"https://receiver.example:{receiver.port}/")

        assert (result.status_code, result.remote_address, asked_for) == (200, "127.0.0.1", ["receiver.example"])

    def test_a_certificate_for_another_host_is_refused(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        behave = over_tls(authority.issue_cert("another.example"), answering(OK))
        self.refuses(behave, trusting, "TLS failed: hostname mismatch, certificate is not valid for 'localhost'.")

    def test_an_expired_certificate_is_refused(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        yesterday = datetime.now(UTC) - timedelta(days=1)
        certificate = authority.issue_cert("localhost", not_before=yesterday - timedelta(days=1), not_after=yesterday)
        self.refuses(over_tls(certificate, answering(OK)), trusting, "TLS failed: certificate has expired.")

    def test_a_self_signed_certificate_is_refused(self, trusting: ssl.SSLContext, tmp_path: Path) -> None:
        itself = trustme.CA()
        itself.cert_pem.write_to_path(str(tmp_path / "certificate.pem"))
        itself.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
        self.refuses(
            lambda conversation: conversation.start_tls(context), trusting, "TLS failed: self-signed certificate."
        )

    def test_a_certificate_of_an_unknown_authority_is_refused(self, trusting: ssl.SSLContext) -> None:
        behave = over_tls(trustme.CA().issue_cert("localhost"), answering(OK))
        self.refuses(behave, trusting, "TLS failed: unable to get local issuer certificate.")

    def test_an_authority_that_is_named_is_trusted_and_no_other(self, authority: trustme.CA, tmp_path: Path) -> None:
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        ours, theirs = (over_tls(each.issue_cert("localhost"), answering(OK)) for each in (authority, trustme.CA()))
        with (
            receiving_raw(ours) as receiver,
            receiving_raw(theirs) as of_another,
            transporting(ca_file=tmp_path / "authority.pem") as trusting,
            transporting() as not_trusting,
        ):
            answered = send(trusting, f"https://localhost:{receiver.port}/")
            refused = [
                send(trusting, f"https://localhost:{of_another.port}/"),
                send(not_trusting, f"https://localhost:{receiver.port}/"),
            ]

        assert (answered.status_code, answered.body) == (200, b"ok")
        assert [each.error for each in refused] == ["TLS failed: unable to get local issuer certificate."] * 2

    def test_a_receiver_that_speaks_no_tls_is_refused(self, trusting: ssl.SSLContext) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            conversation.wait_for_end()

        self.refuses(behave, trusting, "TLS failed: wrong version number.")

    @staticmethod
    def refuses(behave: Callable[[Conversation], None], tls: ssl.SSLContext, error: str) -> None:
        with receiving_raw(behave) as receiver, transporting(tls, deadline=5) as transport:
            result = send(transport, f"https://localhost:{receiver.port}/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.error, result.status_code) == (Outcome.TLS_ERROR, error, None)


def say(*parts: bytes) -> Callable[[Conversation], None]:
    """Read a request, say `parts`, and close."""

    def behave(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(*parts)

    return behave


def drip(start: bytes, part: bytes) -> Callable[[Conversation], None]:
    def behave(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(start)
        conversation.drip(part)

    return behave


def flood(start: bytes, part: bytes) -> Callable[[Conversation], None]:
    def behave(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(start)
        conversation.flood(part)

    return behave


def say_and_reset(start: bytes) -> Callable[[Conversation], None]:
    def behave(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(start)
        conversation.reset()

    return behave


NOT_HTTP = (Outcome.PROTOCOL_ERROR, "The answer was not valid HTTP.")
TOO_SHORT = (Outcome.PROTOCOL_ERROR, "The answer ended before it was complete.")
CLOSED = (Outcome.CONNECTION_ERROR, "The connection failed: closed by the receiver.")
RESET = (Outcome.CONNECTION_ERROR, "The connection failed: Connection reset by peer.")
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

# What a receiver does with each connection, what comes of it, and the status that is known.
HOSTILE: dict[str, tuple[Callable[[Conversation], None], tuple[Outcome, str], int | None]] = {
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
        self, behave: Callable[[Conversation], None], expected: tuple[Outcome, str], status: int | None
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
        behave: Callable[[Conversation], None],
        status: int | None,
        authority: trustme.CA,
        trusting: ssl.SSLContext,
    ) -> None:
        behave_over_tls = over_tls(authority.issue_cert("localhost"), behave)
        with receiving_raw(behave_over_tls) as receiver, transporting(trusting, deadline=DEADLINE) as transport:
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
        self, behave: Callable[[Conversation], None], trusting: ssl.SSLContext
    ) -> None:
        with receiving_raw(behave) as receiver, transporting(trusting, deadline=DEADLINE) as transport:
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
            [result] = collect(transport, 1)

        assert (result.failure, result.error) == TIMED_OUT
        assert result.duration < DEADLINE + 0.5

    @staticmethod
    def sends_in_time(transport: RequestsTransport, url: str) -> Result:
        result = send(transport, url)
        assert result.duration < DEADLINE + 0.5
        assert not any(secret in result.error for secret in SECRETS)
        return result


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


class TestNames:
    def test_the_deadline_counts_from_before_the_name_is_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        look_up = socket.getaddrinfo

        def getaddrinfo(*args: Any, **options: Any) -> list[Any]:
            never.wait(0.6)
            return look_up(*args, **options)

        never = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with receiving_raw(Conversation.hold) as receiver, transporting(deadline=0.8) as transport:
            result = send(transport, receiver.url)

        assert (result.failure, receiver.connections) == (Outcome.TIMEOUT, 1)
        assert 0.8 <= result.duration < 1.3

    @pytest.mark.parametrize(
        ("limits", "error"),
        [
            ({"dns_timeout": 0.2}, "The host name was not resolved in time."),
            ({"deadline": 0.2}, "There was no complete answer within 0.2 seconds."),
        ],
    )
    def test_a_resolver_that_does_not_answer_is_a_time_out(
        self, limits: dict[str, float], error: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with hanging_names(monkeypatch, {"receiver.example"}), transporting(**limits) as transport:
            result = send(transport, "http://receiver.example/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.error) == (Outcome.TIMEOUT, error)
        assert result.duration < 0.7

    def test_names_that_hang_keep_nobody_else_from_being_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = {f"r{number}.example" for number in range(40)}
        with contextlib.ExitStack() as stack:
            hanging = stack.enter_context(hanging_names(monkeypatch, names))
            receiver = stack.enter_context(receiving())
            transport = stack.enter_context(transporting(concurrency=41))
            for name in names:
                transport.submit(Request(name, f"http://{name}/", {}, b""))
            wait_for(lambda: len(hanging) == 40)
            result = send(transport, receiver.url)
            assert (result.key, result.status_code) == ("key", 200)
            hanging.release.set()
            assert {each.failure for each in collect(transport, 40)} == {Outcome.DNS_ERROR}


class Hanging(list[str]):
    """The names that are being looked up, until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()


@contextlib.contextmanager
def hanging_names(monkeypatch: pytest.MonkeyPatch, names: set[str]) -> Iterator[Hanging]:
    """Let the look-up of `names` hang until the end of the block."""
    look_up = socket.getaddrinfo
    hanging = Hanging()

    def getaddrinfo(host: str, *args: Any, **options: Any) -> list[Any]:
        if host in names:
            hanging.append(host)
            hanging.release.wait(LONG)
            raise socket.gaierror(socket.EAI_NONAME, "it does not exist")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        yield hanging
    finally:
        hanging.release.set()


class TestARefusedAddress:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "LOCALHOST",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "0",
            "0.0.0.0",  # noqa: S104
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
        ],
    )
    def test_is_not_connected_to(self, host: str, scheme: str) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting(allowed_networks=()) as transport:
            result = send(transport, f"{scheme}://{host}:{receiver.port}/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.status_code, result.remote_address) == (Outcome.ADDRESS_REFUSED, None, "")
        assert result.error.startswith("The address was refused: ")
        assert result.error.endswith(" is not a public address. See WEBHOOKS_ALLOWED_NETWORKS.")
        assert not any(secret in result.error for secret in SECRETS)
        assert receiver.connections == 0

    @pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "127。0。0。1", "l%6fcalhost", "127.0.0.1%00.example"])
    def test_is_not_connected_to_under_a_name_that_only_some_parsers_read(self, host: str) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting(allowed_networks=()) as transport:
            result = send(transport, f"http://{host}:{receiver.port}/")

        assert result.failure in {Outcome.ADDRESS_REFUSED, Outcome.CANNOT_BUILD, Outcome.DNS_ERROR}
        assert receiver.connections == 0

    @pytest.mark.parametrize(
        "addresses",
        [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"], ["127.0.0.1", "169.254.169.254"]],
    )
    def test_makes_its_host_refused_although_others_are_allowed(
        self, addresses: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolving(monkeypatch, {"receiver.example": addresses})
        allowed = (ip_network("127.0.0.0/8"),)
        with receiving_raw(answering(OK)) as receiver, transporting(allowed_networks=allowed) as transport:
            result = send(transport, f"http://receiver.example:{receiver.port}/")

        assert (result.failure, receiver.connections) == (Outcome.ADDRESS_REFUSED, 0)

    def test_is_the_one_that_the_host_has_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            conversation.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

        hosts = {"receiver.example": ["127.0.0.1"]}
        resolving(monkeypatch, hosts)
        allowed = (ip_network("127.0.0.1/32"),)
        with receiving_raw(behave) as receiver, transporting(allowed_networks=allowed) as transport:
            first = send(transport, f"http://receiver.example:{receiver.port}/")
            hosts["receiver.example"] = ["127.0.0.2"]
            second = send(transport, f"http://receiver.example:{receiver.port}/")

        assert (first.status_code, second.failure, receiver.connections) == (200, Outcome.ADDRESS_REFUSED, 1)

    def test_is_what_the_parser_that_connects_takes_for_the_host(self) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting(allowed_networks=()) as transport:
            for url in (
                f"http://does-not-exist.invalid@127.0.0.1:{receiver.port}/",
                f"http://127.0.0.1:{receiver.port}\\@does-not-exist.invalid/",
                f"http://does-not-exist.invalid\\@127.0.0.1:{receiver.port}/",
                f"http://127.0.0.1:{receiver.port}#@does-not-exist.invalid/",
            ):
                assert send(transport, url).failure in {Outcome.ADDRESS_REFUSED, Outcome.DNS_ERROR}

        assert receiver.connections == 0


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
            results = collect(transport, 100)
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
            assert len(collect(transport, 1)) == 1
            assert begun.acquire(timeout=LONG)
            go_on.release(4)
            collect(transport, 4)

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
