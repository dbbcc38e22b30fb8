"""Tokens and custom headers at the transport: hostile token endpoints, and what a strict receiver sees."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.access import Access, access_of
from dispatch.requests_transport import RequestsTransport
from dispatch.states import Outcome
from dispatch.transport import Request, Result
from subscriptions.credentials import OAuth2
from subscriptions.request_headers import InvalidHeader, check_headers
from tests.dispatch.behaviours import HEAD, OK, say
from tests.dispatch.raw_receivers import Conversation, RawReceiver, receiving_raw
from tests.dispatch.sending import DEADLINE, LONG, collect, transporting
from tests.dispatch.token_endpoints import issuing
from tests.waiting import wait_for

SECRET = "client-secret-of-theirs"
TOKEN = "token-of-theirs"


def client_of(url: str, **options: Any) -> Access:
    return access_of(OAuth2(token_url=url, client_id="us", client_secret=SECRET, **options), {})


def sent(transport: RequestsTransport, *requests: Request) -> list[Result]:
    """Send all at the same time, and wait for what comes of them."""
    for request in requests:
        transport.submit(request)
    return collect(transport.poll, len(requests))


def answer(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, headers, len(body), body)


def hang(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.hold()


def drip(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.send(HEAD, b"Content-Length: 100000\r\n\r\n")
    conversation.drip(b" ")


def flood(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.send(HEAD, b"\r\n")
    conversation.flood(b'{"access_token":' * 4096)


UNREACHED = "No access token. The token endpoint was not reached. "
NO_OBJECT = "No access token. The token endpoint answered what is no JSON object."
# What a token endpoint does, and what the attempt says. `TOKEN` and `SECRET` are never repeated.
HOSTILE: dict[str, tuple[Callable[[Conversation], None], str]] = {
    "it hangs": (hang, f"{UNREACHED}There was no complete answer within 0.4 seconds."),
    "it drips": (drip, f"{UNREACHED}There was no complete answer within 0.4 seconds."),
    "it says nothing": (say(), f"{UNREACHED}The connection failed: closed by the receiver."),
    "it never ends": (flood, NO_OBJECT),
    "it speaks garbage": (say(b"\x00\xff garbage\r\n\r\n"), f"{UNREACHED}The answer was not valid HTTP."),
    "its JSON is garbage": (say(answer(b'{"access_token": ' + TOKEN.encode())), NO_OBJECT),
    "it answers deeply": (say(answer(b"[" * 60_000)), NO_OBJECT),
    "it redirects": (
        say(answer(b"", b"307 Temporary Redirect", b"Location: http://127.0.0.1:9/\r\n")),
        "No access token. The token endpoint answered 307. Redirects are not followed.",
    ),
    "it refuses, and repeats what it was sent": (
        say(answer(json.dumps({"error": SECRET}).encode(), b"401 Unauthorized")),
        "No access token. The token endpoint answered 401.",
    ),
    "its token ends the line": (
        say(answer(json.dumps({"access_token": f"{TOKEN}\r\nX-Injected: 1"}).encode())),
        "No access token. The token endpoint answered without an access token that can be sent.",
    ),
    "its token is huge": (
        say(answer(json.dumps({"access_token": TOKEN * 3000}).encode())),
        "No access token. The token endpoint answered without an access token that can be sent.",
    ),
}


class TestAHostileTokenEndpoint:
    @pytest.mark.parametrize(("behave", "error"), HOSTILE.values(), ids=HOSTILE)
    def test_ends_in_a_sentence_within_the_deadline_and_nothing_is_sent(
        self, behave: Callable[[Conversation], None], error: str
    ) -> None:
        with (
            receiving_raw(behave) as issuer,
            receiving_raw(say(OK)) as receiver,
            transporting(deadline=DEADLINE) as transport,
        ):
            [result] = sent(transport, Request("key", receiver.url, {}, b"{}", client_of(issuer.url)))

        assert (result.failure, result.error, result.status_code) == (Outcome.CREDENTIALS_FAILED, error, None)
        assert result.duration < DEADLINE + 0.5
        assert (issuer.connections, receiver.connections) == (1, 0)
        assert SECRET not in repr(result)

    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("http://169.254.169.254/token", "The address was refused: "),
            ("http://10.0.0.1/token", "The address was refused: "),
            ("http://[fd00::1]/token", "The address was refused: "),
        ],
    )
    def test_at_a_refused_address_is_not_asked(self, url: str, error: str) -> None:
        with receiving_raw(say(OK)) as receiver, transporting() as transport:
            [result] = sent(transport, Request("key", receiver.url, {}, b"{}", client_of(url)))

        assert result.failure is Outcome.CREDENTIALS_FAILED
        assert result.error.startswith(f"No access token. The token endpoint was not reached. {error}")
        assert receiver.connections == 0

    def test_that_hangs_holds_its_own_threads_only_and_is_asked_once(self) -> None:
        with (
            receiving_raw(hang) as issuer,
            receiving_raw(say(OK)) as receiver,
            transporting(deadline=DEADLINE) as transport,
        ):
            access = client_of(issuer.url)
            waiting = [Request(number, receiver.url, {}, b"{}", access) for number in range(3)]
            results = sent(transport, *waiting, Request("other", receiver.url, {}, b"{}"))

        # The one beside them did not wait.
        assert (results[0].key, results[0].status_code) == ("other", 200)
        assert {each.failure for each in results[1:]} == {Outcome.CREDENTIALS_FAILED}
        assert all(each.duration < DEADLINE + 0.5 for each in results)
        assert issuer.connections == 1


class TestATokenEndpoint:
    def test_is_asked_once_by_many_first_requests(self) -> None:
        with issuing() as (issuer, receiver), transporting(concurrency=8) as transport:
            access = client_of(issuer.url).client
            assert access is not None
            given_ = access_of(
                OAuth2(**{name: text for name, text in issuer.credentials.items() if name != "kind"}), {"X-Tenant": "7"}
            )
            results = sent(transport, *[Request(n, receiver.url, {"X-Y": "z"}, b"{}", given_) for n in range(32)])

        assert [each.status_code for each in results] == [200] * 32
        assert len(issuer.asked) == 1

    def test_may_be_slow_as_long_as_the_whole_stays_within_the_deadline(self) -> None:
        go = threading.Event()

        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            go.wait(LONG)
            conversation.send(answer(json.dumps({"access_token": TOKEN}).encode()))

        requests: list[bytes] = []

        def receive(conversation: Conversation) -> None:
            requests.append(conversation.read_request())
            conversation.send(OK)

        with (
            receiving_raw(behave) as issuer,
            receiving_raw(receive) as receiver,
            transporting() as transport,
        ):
            transport.submit(Request("key", receiver.url, {}, b"{}", client_of(issuer.url)))
            wait_for(lambda: issuer.connections)
            assert requests == []
            go.set()
            results: list[Result] = []
            wait_for(lambda: results.extend(transport.poll(0.1)) or results)

        assert results[0].status_code == 200
        assert b"\r\nAuthorization: Bearer token-of-theirs\r\n" in requests[0]
        assert TOKEN in results[0].secrets


# Strings of all kinds, more of them on the border of what a header may be than hypothesis would find by itself.
_TRICKY = st.sampled_from([*'\r\n\0\t :\x85\xa0\x7f\xff,;="()<>@', "\r\n", "Host", "\u2028", "é", "€", "content-"])
_TEXTS = st.lists(st.one_of(st.characters(), _TRICKY), max_size=12).map("".join)
_GOOD_NAMES = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=20)
_GOOD_VALUES = st.text([chr(code) for code in (9, *range(32, 127), *range(0xA0, 0x100))], min_size=1, max_size=40)
_HEADERS = st.dictionaries(st.one_of(_GOOD_NAMES, _TEXTS), st.one_of(_GOOD_VALUES, _TEXTS), min_size=1, max_size=4)


class Strict:
    """A receiver that takes a request apart byte by byte."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    def behave(self, conversation: Conversation) -> None:
        while request := conversation.read_request():
            self.requests.append(request)
            conversation.send(OK)


@pytest.fixture(scope="module")
def strict() -> Iterator[tuple[Strict, RawReceiver, RequestsTransport]]:
    receiver = Strict()
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(receiving_raw(receiver.behave))
        yield receiver, raw, stack.enter_context(transporting())


class TestCustomHeaders:
    @settings(
        max_examples=300,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(wanted=_HEADERS)
    def test_what_is_accepted_arrives_exactly_and_alone(
        self, strict: tuple[Strict, RawReceiver, RequestsTransport], wanted: dict[str, str]
    ) -> None:
        receiver, raw, transport = strict
        try:
            accepted = check_headers(wanted)
        except InvalidHeader:
            return
        receiver.requests.clear()
        own = {"Content-Type": "application/json", "webhook-id": "evt_1"}
        [result] = sent(transport, Request("key", raw.url, {**accepted, **own}, b"{}"))

        assert result.status_code == 200
        [request] = receiver.requests
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        assert (first, body) == (b"POST /hooks HTTP/1.1", b"{}")
        assert not any(byte in line for line in lines for byte in (b"\r", b"\n", b"\0"))
        arrived = [line.decode("latin-1").partition(":") for line in lines]
        expected = {"Host": f"127.0.0.1:{raw.port}", **accepted, **own, "Content-Length": "2"}
        # Values as a receiver reads them: without white space at their ends (RFC 9112, section 5.1).
        assert [(name, value.strip(" \t")) for name, _, value in arrived] == list(expected.items())

    @settings(max_examples=300, deadline=None)
    @given(wanted=_HEADERS)
    def test_what_is_refused_names_no_value(self, wanted: dict[str, str]) -> None:
        marked = {name: f"{value}\n~planted-value~" for name, value in wanted.items()}
        with pytest.raises(InvalidHeader) as refused:
            check_headers(marked)
        assert "planted-value" not in str(refused.value)

    @pytest.mark.parametrize("value", ["a\r\nHost: b", "a\nb", "a\rb", "a\0b", "€"])
    def test_what_got_past_every_check_is_still_not_sent(self, value: str) -> None:
        access = access_of(None, {"X-Y": value})
        with receiving_raw(say(OK)) as receiver, transporting() as transport:
            [result] = sent(transport, Request("key", receiver.url, dict(access.headers), b"{}", access))

        assert (result.failure, receiver.connections) == (Outcome.CANNOT_BUILD, 0)
