"""Access tokens: what a token endpoint is asked, what its answers mean, and how long a token is used."""

import base64
import json
import threading
from typing import Any
from urllib.parse import parse_qs

import pytest

from dispatch.access_tokens import AccessToken, AccessTokens, NoToken, read_token, token_request
from subscriptions.credentials import ClientAuthentication, OAuth2

SECRET = "s3cr3t of/theirs"
LONG = 20.0
CLIENT = OAuth2(token_url="https://issuer.example/token", client_id="us:1", client_secret=SECRET)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Gives tokens that are good for `life` seconds, or fails with `problem`."""

    def __init__(self, clock: Clock, life: float = 100.0) -> None:
        self.asked: list[OAuth2] = []
        self.problem: str | None = None
        self._clock, self._life = clock, life

    def __call__(self, client: OAuth2) -> AccessToken:
        self.asked.append(client)
        if self.problem:
            raise NoToken(self.problem)
        return AccessToken(f"token-{len(self.asked)}", self._clock() + self._life)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Issuer:
    return Issuer(clock)


@pytest.fixture
def tokens(issuer: Issuer, clock: Clock) -> AccessTokens:
    return AccessTokens(issuer, clock=clock)


def get(tokens: AccessTokens, client: OAuth2 = CLIENT) -> str:
    return tokens.get(client, timeout=LONG).text


class TestARequest:
    def test_shows_the_client_as_user_and_password_each_form_encoded(self) -> None:
        headers, body = token_request(CLIENT)

        assert headers["Authorization"] == "Basic " + base64.b64encode(b"us%3A1:s3cr3t+of%2Ftheirs").decode()
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert body == b"grant_type=client_credentials"

    def test_or_in_the_body_with_scope_and_audience(self) -> None:
        client = OAuth2(
            token_url="https://issuer.example/token",
            client_id="us:1",
            client_secret=SECRET,
            scope="a b",
            audience="https://receiver.example/&",
            client_authentication=ClientAuthentication.BODY,
        )
        headers, body = token_request(client)

        assert "Authorization" not in headers
        assert parse_qs(body.decode(), strict_parsing=True) == {
            "grant_type": ["client_credentials"],
            "scope": ["a b"],
            "audience": ["https://receiver.example/&"],
            "client_id": ["us:1"],
            "client_secret": [SECRET],
        }


class TestAnAnswer:
    @pytest.mark.parametrize(
        ("answer", "good_until"),
        [
            ({"expires_in": 3600}, 1000 + 3570),
            ({"expires_in": "3600"}, 1000 + 3570),
            ({"expires_in": 100}, 1000 + 90),
            ({"expires_in": 0.5}, 1000.45),
            ({}, 1000 + 180),
            ({"expires_in": None}, 1000 + 180),
            ({"expires_in": 0}, 1000 + 180),
            ({"expires_in": -5}, 1000 + 180),
            ({"expires_in": True}, 1000 + 180),
            ({"expires_in": "soon"}, 1000 + 180),
            ({"expires_in": float("nan")}, 1000 + 180),
            ({"expires_in": [1]}, 1000 + 180),
            ({"expires_in": 10**400}, 1000 + 10 * 366 * 86400 - 30),
            ({"expires_in": float("inf")}, 1000 + 10 * 366 * 86400 - 30),
        ],
    )
    def test_says_how_long_its_token_is_used(self, answer: dict[str, Any], good_until: float) -> None:
        body = json.dumps({"access_token": "abc", "token_type": "Bearer"} | answer).encode()
        token = read_token(200, body, now=1000.0, default_lifetime=200.0)

        assert (token.text, token.good_until, token.was_taken) == ("abc", pytest.approx(good_until), False)
        assert "abc" not in repr(token)

    @pytest.mark.parametrize(
        ("status", "body", "message"),
        [
            (200, b"", "The token endpoint answered what is no JSON object."),
            (200, b"\xff", "The token endpoint answered what is no JSON object."),
            (200, b"[" * 100_000, "The token endpoint answered what is no JSON object."),
            (200, b'["abc"]', "The token endpoint answered what is no JSON object."),
            (200, b'{"access_token":"abc"', "The token endpoint answered what is no JSON object."),
            (200, b"{}", "The token endpoint answered without an access token that can be sent."),
            (200, b'{"access_token":5}', "The token endpoint answered without an access token that can be sent."),
            (200, b'{"access_token":""}', "The token endpoint answered without an access token that can be sent."),
            (
                200,
                b'{"access_token":"a\\r\\nHost: b"}',
                "The token endpoint answered without an access token that can be sent.",
            ),
            (
                200,
                b'{"access_token":"%s"}' % (b"a" * 16385),
                "The token endpoint answered without an access token that can be sent.",
            ),
            (
                200,
                b'{"access_token":"abc","token_type":"mac"}',
                "The token endpoint answered with a token of another type than bearer.",
            ),
            (
                200,
                b'{"access_token":"abc","token_type":null}',
                "The token endpoint answered with a token of another type than bearer.",
            ),
            (401, b'{"error":"invalid_client"}', "The token endpoint answered 401 with invalid_client."),
            (400, b'{"error":"s3cr3t"}', "The token endpoint answered 400."),
            (400, b'{"error":["invalid_client"]}', "The token endpoint answered 400."),
            (500, b"s3cr3t", "The token endpoint answered 500."),
            (201, b'{"access_token":"abc"}', "The token endpoint answered 201."),
            (302, b"", "The token endpoint answered 302. Redirects are not followed."),
        ],
    )
    def test_without_a_token_is_told_without_repeating_it(self, status: int, body: bytes, message: str) -> None:
        with pytest.raises(NoToken) as failed:
            read_token(status, body, now=0.0, default_lifetime=300.0)
        assert str(failed.value) == message


class TestATokenIsUsed:
    def test_until_it_expires(self, tokens: AccessTokens, issuer: Issuer, clock: Clock) -> None:
        assert get(tokens) == "token-1"
        clock.now += 99.9
        assert get(tokens) == "token-1"
        clock.now += 0.1
        assert get(tokens) == "token-2"
        assert len(issuer.asked) == 2

    def test_for_these_credentials_and_no_others(self, tokens: AccessTokens, issuer: Issuer) -> None:
        changed = OAuth2(token_url=CLIENT.token_url, client_id=CLIENT.client_id, client_secret="another")
        wider = OAuth2(token_url=CLIENT.token_url, client_id=CLIENT.client_id, client_secret=SECRET, scope="all")

        assert [get(tokens, each) for each in (CLIENT, changed, wider, CLIENT)] == [
            "token-1",
            "token-2",
            "token-3",
            "token-1",
        ]

    def test_until_a_receiver_refuses_it(self, tokens: AccessTokens) -> None:
        token = tokens.get(CLIENT, timeout=LONG)
        assert tokens.refuse(CLIENT, token) is False
        newer = tokens.get(CLIENT, timeout=LONG)
        newer.was_taken = True
        # A late refusal of the old one costs the new one nothing.
        tokens.refuse(CLIENT, token)
        assert tokens.get(CLIENT, timeout=LONG) is newer
        assert tokens.refuse(CLIENT, newer) is True
        assert get(tokens) == "token-3"


class TestOfManyThreads:
    def ask(self, tokens: AccessTokens, count: int, timeout: float = LONG) -> tuple[list[threading.Thread], list[str]]:
        """Ask in as many threads."""
        answers: list[str] = []

        def ask() -> None:
            try:
                answers.append(tokens.get(CLIENT, timeout=timeout).text)
            except NoToken as problem:
                answers.append(str(problem))

        threads = [threading.Thread(target=ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads, answers

    def test_one_asks_and_the_others_wait(self, clock: Clock) -> None:
        asked, go = [], threading.Event()

        def fetch(client: OAuth2) -> AccessToken:
            asked.append(client)
            assert go.wait(LONG)
            return AccessToken("abc", clock() + 100)

        tokens = AccessTokens(fetch, clock=clock)
        threads, answers = self.ask(tokens, 16)
        go.set()
        for thread in threads:
            thread.join(LONG)

        assert (asked, answers) == ([CLIENT], ["abc"] * 16)

    def test_a_failure_is_told_to_all_that_wait_and_the_next_asks_again(self, clock: Clock) -> None:
        asked, begun, go = [], threading.Event(), threading.Event()

        def fetch(client: OAuth2) -> AccessToken:
            asked.append(client)
            begun.set()
            assert go.wait(LONG)
            if len(asked) == 1:
                raise NoToken("It failed.")
            return AccessToken("abc", clock() + 100)

        tokens = AccessTokens(fetch, clock=clock)
        first, answers = self.ask(tokens, 1)
        assert begun.wait(LONG)
        with pytest.raises(NoToken, match=r"^The token endpoint did not answer in time\.$"):
            tokens.get(CLIENT, timeout=0)
        go.set()
        first[0].join(LONG)

        assert (answers, get(tokens), len(asked)) == (["It failed."], "abc", 2)

    def test_a_broken_fetch_keeps_nobody_waiting(self, clock: Clock) -> None:
        def fetch(client: OAuth2) -> AccessToken:
            raise LookupError(client.client_secret)

        tokens = AccessTokens(fetch, clock=clock)
        for _ in range(2):
            with pytest.raises(LookupError):
                tokens.get(CLIENT, timeout=LONG)
