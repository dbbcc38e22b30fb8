"""Everything goes out through the egress proxy when there is one: real proxies and receivers on loopback."""

import logging
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from dispatch.addresses import AddressPolicy
from dispatch.egress_proxy import EgressProxy
from dispatch.states import Outcome
from dispatch.transport import Result
from tests.certificates_made import serving_tls
from tests.dispatch.canary import canary_everywhere
from tests.dispatch.egress_proxies import ESTABLISHED, behaving, proxying
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.receivers import receiving
from tests.dispatch.sending import DEADLINE, LOOPBACK, TIMED_OUT, send, transporting

ANYWHERE = AddressPolicy(allowed_ports=(range(1, 65536),), https_only=False)
SCHEMES = ("http", "https", "socks5", "socks5h")
LOGIN = ("ada", "pass: word%")
NOT_IN_TIME = (Outcome.PROXY_ERROR, "The egress proxy did not answer in time.")


@pytest.fixture(scope="module")
def serving(authority: trustme.CA) -> ssl.SSLContext:
    return serving_tls(authority.issue_cert("127.0.0.1", "receiver.test"))


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let receiver.test be on loopback. No other name is looked up."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        known = "127.0.0.1" if host == "receiver.test" else host
        return look_up(known, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def named(url: str) -> str:
    return url.replace("127.0.0.1", "receiver.test")


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def said(result: Result) -> tuple[Outcome | None, str]:
    return result.failure, result.error


class TestARequest:
    @pytest.mark.parametrize("scheme", SCHEMES)
    @pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "TLS"])
    def test_goes_through_the_proxy_to_the_judged_address(
        self, scheme: str, over_tls: bool, serving: ssl.SSLContext, trusting: ssl.SSLContext
    ) -> None:
        resolves = scheme == "socks5h"
        with (
            receiving(tls=serving if over_tls else None) as receiver,
            proxying(scheme, tls=serving, names={"receiver.test": "127.0.0.1"}) as proxy,
            transporting(ANYWHERE if resolves else LOOPBACK, trusting, proxy=proxy.setting) as transport,
        ):
            results = [send(transport, named(receiver.url), f'{{"n":{n}}}'.encode()) for n in range(2)]

        port = port_of(receiver.url)
        assert [(said(each), each.status_code) for each in results] == [((None, ""), 200)] * 2
        assert [each.body for each in receiver.received] == [b'{"n":0}', b'{"n":1}']
        assert receiver.received[0].headers["Host"] == f"receiver.test:{port}"
        # Once: the connection was kept.
        assert proxy.asked_for == [("receiver.test" if resolves else "127.0.0.1", port)]
        assert {each.remote_address for each in results} == {"" if resolves else "127.0.0.1"}

    @pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
    def test_names_the_host_to_a_proxy_that_is_to_resolve(
        self, scheme: str, serving: ssl.SSLContext, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", refuse_names(socket.getaddrinfo))
        with (
            receiving(tls=serving) as receiver,
            proxying(scheme, tls=serving, names={"receiver.test": "127.0.0.1"}) as proxy,
            transporting(ANYWHERE, trusting, proxy=proxy.setting, proxy_resolves=True) as transport,
        ):
            result = send(transport, named(receiver.url))

        assert (said(result), result.status_code) == ((None, ""), 200)
        assert proxy.asked_for == [("receiver.test", port_of(receiver.url))]

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_brings_the_credentials(self, scheme: str, serving: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
        with receiving() as receiver, proxying(scheme, tls=serving, login=LOGIN) as proxy:
            with transporting(LOOPBACK, trusting, proxy=proxy.setting) as transport:
                right = send(transport, receiver.url)
            with transporting(LOOPBACK, trusting, proxy=proxy.known_as("ada", "wr0ng")) as transport:
                wrong = send(transport, receiver.url)
            with transporting(LOOPBACK, trusting, proxy=proxy.known_as(None, "")) as transport:
                none = send(transport, receiver.url)

        assert said(right) == (None, "")
        assert len(receiver.received) == 1
        number = "" if scheme.startswith("socks") else " (407)"
        refused = Outcome.PROXY_ERROR, f"The egress proxy does not accept our credentials{number}."
        other_way = Outcome.PROXY_ERROR, "The egress proxy wants another way to log in than it is given."
        assert said(wrong) == refused
        assert said(none) == (other_way if scheme.startswith("socks") else refused)
        assert "Authorization" not in receiver.received[0].headers
        assert "Proxy-Authorization" not in receiver.received[0].headers

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_verifies_the_receivers_certificate(
        self, scheme: str, serving: ssl.SSLContext, trusting: ssl.SSLContext
    ) -> None:
        untrusted = serving_tls(trustme.CA().issue_cert("127.0.0.1"))
        with (
            receiving(tls=untrusted) as stranger,
            receiving(tls=serving) as misnamed,
            proxying(scheme, tls=serving, names={"other.test": "127.0.0.1"}) as proxy,
            transporting(ANYWHERE, trusting, proxy=proxy.setting, proxy_resolves=True) as transport,
        ):
            results = [
                send(transport, stranger.url.replace("127.0.0.1", "other.test")),
                send(transport, misnamed.url.replace("127.0.0.1", "other.test")),
            ]

        assert [each.failure for each in results] == [Outcome.TLS_ERROR] * 2
        assert "unable to get local issuer certificate" in results[0].error
        assert "hostname mismatch" in results[1].error
        assert stranger.received == misnamed.received == []

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_keeps_of_an_answer_what_it_keeps_without_a_proxy(
        self, scheme: str, serving: ssl.SSLContext, trusting: ssl.SSLContext
    ) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.start_tls(serving)
            conversation.read_request()
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            conversation.flood(b"x" * 65536)

        with (
            receiving_raw(behave) as receiver,
            proxying(scheme, tls=serving) as proxy,
            transporting(LOOPBACK, trusting, proxy=proxy.setting, response_limit=1000) as transport,
        ):
            result = send(transport, receiver.url.replace("http:", "https:"))

        assert (said(result), result.status_code, result.body) == ((None, ""), 200, b"x" * 1000)

    @pytest.mark.parametrize("scheme", SCHEMES)
    @pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "TLS"])
    @pytest.mark.parametrize(
        ("start", "part"),
        [(b"", b"H"), (b"HTTP/1.1 200 OK\r\nX-Y: ", b"z"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x")],
        ids=["status", "header", "body"],
    )
    def test_ends_at_the_deadline(
        self, scheme: str, over_tls: bool, start: bytes, part: bytes, serving: ssl.SSLContext, trusting: ssl.SSLContext
    ) -> None:
        def behave(conversation: Conversation) -> None:
            if over_tls:
                conversation.start_tls(serving)
            conversation.read_request()
            conversation.send(start)
            conversation.drip(part)

        with (
            receiving_raw(behave) as receiver,
            proxying(scheme, tls=serving) as proxy,
            transporting(LOOPBACK, trusting, proxy=proxy.setting, deadline=DEADLINE) as transport,
        ):
            result = send(transport, receiver.url.replace("http:", "https:" if over_tls else "http:"))

        assert said(result) == TIMED_OUT
        assert result.duration < DEADLINE + 0.5


def refuse_names(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: str, *rest: Any, **options: Any) -> Any:
        assert host != "receiver.test"
        return look_up(host, *rest, **options)

    return getaddrinfo


def after_the_request(*parts: bytes) -> Callable[[Conversation], None]:
    """Answer a CONNECT."""

    def behave(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(*parts)
        conversation.wait_for_end()

    return behave


def reset_after_the_request(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.reset()


def after_the_greeting(*parts: bytes) -> Callable[[Conversation], None]:
    """Answer what a SOCKS client asks for, an IPv4 address."""

    def behave(conversation: Conversation) -> None:
        conversation.read(3)
        conversation.send(b"\x05\x00")
        conversation.read(10)
        conversation.send(*parts)
        conversation.wait_for_end()

    return behave


def refused(reason: str) -> tuple[Outcome, str]:
    return Outcome.PROXY_ERROR, f"The egress proxy refused to connect to the receiver ({reason})."


def unreached(reason: str) -> tuple[Outcome, str]:
    return Outcome.CONNECTION_ERROR, f"The egress proxy did not reach the receiver ({reason})."


NOT_HTTP = Outcome.PROXY_ERROR, "The egress proxy did not answer in HTTP."
NOT_SOCKS = Outcome.PROXY_ERROR, "The egress proxy did not answer in SOCKS 5."
HUNG_UP = Outcome.PROXY_ERROR, "The egress proxy closed the connection."
HUNG_UP_LATE = (
    Outcome.CONNECTION_ERROR,
    "The egress proxy closed the connection instead of connecting to the receiver.",
)
TOO_LATE = Outcome.TIMEOUT, "The egress proxy did not connect to the receiver in time."

PROXIES: list[tuple[str, Callable[[Conversation], None], tuple[Outcome, str]]] = [
    ("http", after_the_request(b"HTTP/1.1 403 No\r\n\r\n"), refused("403")),
    ("http", after_the_request(b"HTTP/1.0 405 No\r\n\r\n"), refused("405")),
    ("http", after_the_request(b"HTTP/1.1 302 There\r\nLocation: http://10.0.0.1/\r\n\r\n"), refused("302")),
    ("http", after_the_request(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), unreached("502")),
    ("http", after_the_request(b"HTTP/1.1 503 No Host\r\n\r\n"), unreached("503")),
    ("http", after_the_request(b"HTTP/1.1 504 Late\r\n\r\n"), TOO_LATE),
    ("http", after_the_request(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), NOT_HTTP),
    ("http", after_the_request(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000), NOT_HTTP),
    ("http", Conversation.read_request, HUNG_UP_LATE),
    ("http", reset_after_the_request, HUNG_UP_LATE),
    ("socks5", after_the_greeting(b"\x05\x01\x00\x01\0\0\0\0\0\0"), refused("general failure")),
    ("socks5", after_the_greeting(b"\x05\x02\x00\x01\0\0\0\0\0\0"), refused("not allowed")),
    ("socks5", after_the_greeting(b"\x05\x03\x00\x01\0\0\0\0\0\0"), unreached("network unreachable")),
    ("socks5", after_the_greeting(b"\x05\x04\x00\x01\0\0\0\0\0\0"), unreached("host unreachable")),
    ("socks5", after_the_greeting(b"\x05\x05\x00\x01\0\0\0\0\0\0"), unreached("connection refused")),
    ("socks5", after_the_greeting(b"\x05\x06\x00\x01\0\0\0\0\0\0"), unreached("TTL expired")),
    ("socks5", after_the_greeting(b"\x05\x08\x00\x01\0\0\0\0\0\0"), refused("address type not supported")),
    ("socks5", after_the_greeting(b"\x05\x63\x00\x01\0\0\0\0\0\0"), refused("answer 99")),
    ("socks5", after_the_greeting(b"\x05\x00\x00\x09\0\0\0\0\0\0"), NOT_SOCKS),
    ("socks5", after_the_greeting(b"HTTP/1.1 400 Bad Request\r\n\r\n"), NOT_SOCKS),
    ("socks5", lambda conversation: conversation.send(b"HTTP/1.1 400 What?\r\n\r\n"), NOT_SOCKS),
    ("socks5", Conversation.close, HUNG_UP),
]


class TestAProxyThatFails:
    @pytest.mark.parametrize(("scheme", "behave", "expected"), PROXIES)
    def test_has_an_outcome_that_says_what_it_did(
        self, scheme: str, behave: Callable[[Conversation], None], expected: tuple[Outcome, str]
    ) -> None:
        with behaving(scheme, behave) as proxy, transporting(ANYWHERE, proxy=proxy) as transport:
            result = send(transport, "https://1.1.1.1/path-of-theirs")

        assert said(result) == expected

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_that_is_not_there(self, scheme: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        proxy = EgressProxy(scheme=scheme, host="127.0.0.1", port=port)
        with transporting(ANYWHERE, proxy=proxy) as transport:
            result = send(transport, "https://1.1.1.1/")

        assert said(result) == (Outcome.PROXY_ERROR, "The egress proxy was not reached: Connection refused.")

    def test_whose_name_is_unknown(self) -> None:
        with transporting(ANYWHERE, proxy=EgressProxy(scheme="http", host="proxy.test", port=1)) as transport:
            result = send(transport, "https://1.1.1.1/")

        assert said(result) == (Outcome.PROXY_ERROR, "The name of the egress proxy could not be resolved.")

    def test_whose_certificate_is_not_trusted(self, serving: ssl.SSLContext) -> None:
        with proxying("https", tls=serving) as proxy, transporting(ANYWHERE, proxy=proxy.setting) as transport:
            result = send(transport, "https://1.1.1.1/")

        assert result.failure is Outcome.PROXY_ERROR
        assert result.error.startswith("TLS with the egress proxy failed: ")
        assert "certificate" in result.error
        assert proxy.asked_for == []

    def test_that_speaks_no_tls(self) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.send(b"HTTP/1.1 400 Plain\r\n\r\n")
            conversation.wait_for_end()

        with behaving("https", behave) as proxy, transporting(ANYWHERE, proxy=proxy) as transport:
            result = send(transport, "https://1.1.1.1/")

        assert result.failure is Outcome.PROXY_ERROR
        assert result.error.startswith("TLS with the egress proxy failed: ")

    @pytest.mark.parametrize(
        ("scheme", "behave", "expected"),
        [
            ("http", Conversation.hold, TIMED_OUT),
            ("http", lambda conversation: conversation.drip(b"H"), TIMED_OUT),
            ("http", after_the_request(b"HTTP/1.1 200 OK\r\n"), TIMED_OUT),
            ("https", Conversation.hold, NOT_IN_TIME),
            ("socks5", Conversation.hold, NOT_IN_TIME),
            ("socks5", after_the_greeting(b"\x05\x00"), TIMED_OUT),
        ],
    )
    def test_that_hangs_ends_at_the_deadline(
        self, scheme: str, behave: Callable[[Conversation], None], expected: tuple[Outcome, str]
    ) -> None:
        with behaving(scheme, behave) as proxy, transporting(ANYWHERE, proxy=proxy, deadline=DEADLINE) as transport:
            result = send(transport, "https://1.1.1.1/")

        assert said(result) in {expected, TOO_LATE if expected is TIMED_OUT else expected}
        assert result.duration < DEADLINE + 0.5

    @pytest.mark.parametrize(
        ("scheme", "expected"),
        [("http", TOO_LATE), ("https", NOT_IN_TIME), ("socks5", NOT_IN_TIME)],
    )
    def test_is_not_waited_for_longer_than_for_a_connection(self, scheme: str, expected: tuple[Outcome, str]) -> None:
        with (
            behaving(scheme, Conversation.hold) as proxy,
            transporting(ANYWHERE, proxy=proxy, connect_timeout=0.2) as transport,
        ):
            began = time.monotonic()
            result = send(transport, "https://1.1.1.1/")

        assert said(result) == expected
        assert time.monotonic() - began < 5

    def test_after_one_address_may_reach_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        look_up = socket.getaddrinfo

        def two(host: str, port: int, *rest: Any, **options: Any) -> list[Any]:
            if host != "two.test":
                return look_up(host, port, *rest, **options)
            return [*look_up("127.0.0.9", port), *look_up("127.0.0.1", port)]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        asked: list[bytes] = []

        def behave(conversation: Conversation) -> None:
            asked.append(conversation.read_request().partition(b" HTTP")[0])
            if b"127.0.0.9" in asked[-1]:
                conversation.send(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            conversation.send(ESTABLISHED)
            conversation.read_request()
            conversation.send(b"HTTP/1.1 204 Fine\r\n\r\n")

        with behaving("http", behave) as proxy, transporting(LOOPBACK, proxy=proxy) as transport:
            result = send(transport, "http://two.test:8000/")

        assert (result.status_code, result.remote_address) == (204, "127.0.0.1")
        assert asked == [b"CONNECT 127.0.0.9:8000", b"CONNECT 127.0.0.1:8000"]


class TestTheGuard:
    @pytest.mark.parametrize("scheme", SCHEMES)
    @pytest.mark.parametrize(
        "url",
        ["https://10.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://1.1.1.1:25/", "http://1.1.1.1/"],
    )
    @pytest.mark.parametrize("resolves", [False, True])
    def test_asks_no_proxy_for_what_is_refused(self, scheme: str, url: str, resolves: bool) -> None:
        with (
            behaving(scheme, Conversation.hold) as proxy,
            transporting(AddressPolicy(), proxy=proxy, proxy_resolves=resolves, deadline=5.0) as transport,
        ):
            result = send(transport, url)

        assert result.failure is Outcome.ADDRESS_REFUSED

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("https://localhost/", "127.0.0.1 (loopback, RFC 1122) is not a public address"),
            ("https://a.LOCALHOST./", "127.0.0.1 (loopback, RFC 1122) is not a public address"),
            ("https://2130706433/", "The host is not a name as DNS has them."),
            ("https://0x7f.0x1/", "The host is not a name as DNS has them."),
            ("https://127.1/", "The host is not a name as DNS has them."),
            ("https://hooks.example:25/", "hooks.example may not be reached on port 25. See WEBHOOKS_ALLOWED_PORTS."),
            ("http://hooks.example/", "hooks.example may be reached over https only. See WEBHOOKS_HTTPS_ONLY."),
        ],
    )
    def test_judges_of_a_name_what_can_be_judged(self, url: str, reason: str) -> None:
        with (
            behaving("http", Conversation.hold) as proxy,
            transporting(AddressPolicy(), proxy=proxy, proxy_resolves=True, deadline=5.0) as transport,
        ):
            result = send(transport, url)

        assert result.failure is Outcome.ADDRESS_REFUSED
        assert reason in result.error

    @pytest.mark.parametrize("scheme", ["http", "socks5"])
    def test_refuses_a_name_with_a_refused_address(self, scheme: str) -> None:
        with (
            behaving(scheme, Conversation.hold) as proxy,
            transporting(AddressPolicy(), proxy=proxy, deadline=5.0) as transport,
        ):
            result = send(transport, "https://receiver.test/")

        assert result.failure is Outcome.ADDRESS_REFUSED


class TestNothing:
    @pytest.mark.parametrize("scheme", SCHEMES)
    @pytest.mark.parametrize("resolves", [False, True])
    @pytest.mark.parametrize("url", ["https://hooks.example/", "http://hooks.example/", "https://1.1.1.1/"])
    def test_goes_past_the_proxy(self, scheme: str, resolves: bool, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        policy = AddressPolicy(https_only=False)
        proxy = EgressProxy(scheme=scheme, host="proxy.example", port=3128)
        names = {"hooks.example": [["1.1.1.1", "2606:4700::1111"]], "proxy.example": [["10.0.0.8"]]}
        with canary_everywhere(monkeypatch, {}) as canary:
            for name, addresses in names.items():
                canary.knows(name, *addresses)
            canary.answer = b"HTTP/1.1 503 No\r\n\r\n"
            monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:9")
            monkeypatch.setenv("ALL_PROXY", "http://192.0.2.1:9")
            with transporting(policy, proxy=proxy, proxy_resolves=resolves, connect_timeout=0.3) as transport:
                result = send(transport, url)

            assert result.failure is not None
            assert set(canary.asked_for) == {("10.0.0.8", 3128)}
            looked_up = {name for name, _ in canary.looked_up} - {"1.1.1.1"}
            hidden = resolves or scheme == "socks5h" or "1.1.1.1" in url
            assert looked_up == ({"proxy.example"} if hidden else {"proxy.example", "hooks.example"})

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_tells_the_password(
        self, scheme: str, serving: ssl.SSLContext, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with (
            proxying(scheme, tls=serving, login=LOGIN) as proxy,
            transporting(ANYWHERE, trusting, proxy=proxy.known_as("ada", "s3cr3t-word")) as transport,
        ):
            result = send(transport, "https://1.1.1.1/")
            shown = f"{result!r} {transport!r} {transport.__dict__!r} {proxy.known_as('ada', 's3cr3t-word')!r}"

        assert result.failure is Outcome.PROXY_ERROR
        assert "s3cr3t-word" not in shown + caplog.text
        assert "ada" not in result.error
