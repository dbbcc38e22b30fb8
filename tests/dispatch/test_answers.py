"""Reading answers: in one go where they are plain, with http.client where they are not, to the same result."""

import http.client
import itertools
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatch.answers import Answer, read_answer

LIMIT = 300
TOKEN = st.text("!#$%&'*+-.^_`|~0123456789abcXYZ", min_size=1, max_size=20)
REASON = st.text(
    st.just("\t") | st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30
)
# What a header may have, and a little more: control characters.
TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30)
CONNECTION = st.sampled_from(["keep-alive", "close", "Close", "upgrade", "x, close"])
TOLD_APART = {"content-length", "transfer-encoding", "connection"}


@st.composite
def plain_answers(draw: st.DrawFn) -> bytes:
    """Make an answer that states its length and has as much, in the form that nearly all servers use."""
    status = draw(st.sampled_from([200, 201, 202, 204, 301, 304, 400, 404, 410, 429, 500, 503, 599, 999]))
    reason = draw(st.none() | REASON)
    body = draw(st.binary(max_size=LIMIT))
    headers = draw(st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in TOLD_APART), TEXT), max_size=8))
    headers += [("Connection", text) for text in draw(st.lists(CONNECTION, max_size=2))]
    if status not in {204, 304} or draw(st.booleans()):
        headers.append((draw(st.sampled_from(["Content-Length", "content-length"])), str(len(body))))
    elif status == 204:
        body = b""
    lines = [f"HTTP/1.1 {status}" + ("" if reason is None else f" {reason}")]
    lines += [f"{name}:{draw(st.sampled_from(['', ' ']))}{text}" for name, text in draw(st.permutations(headers))]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read(*parts: bytes, limit: int = LIMIT) -> tuple[Answer, bool]:
    """Read an answer that comes in these parts. Say also whether its connection can be used again."""
    # Each `recv` gets one datagram, as if the next part had not come yet.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.settimeout(5)
        for part in parts:
            theirs.send(part)
        answer = Answer()
        return answer, read_answer(ours, answer, limit=limit)


def split(text: bytes, *positions: int) -> list[bytes]:
    cuts = sorted({0, len(text), *(position % len(text) for position in positions)})
    return [text[start:end] for start, end in itertools.pairwise(cuts)]


@given(plain_answers(), st.lists(st.integers(0, 2**16), min_size=1, max_size=4))
@example(b"HTTP/1.1 204 \r\nContent-Length: 2\r\n\r\nok", [5])
@example(b"HTTP/1.1 304 \r\nContent-Length: 2\r\n\r\nok", [5])
@example(b"HTTP/1.1 200 \r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", [5])
def test_an_answer_is_read_to_the_same_result_in_one_piece_and_in_several(answer: bytes, positions: list[int]) -> None:
    assert read(*split(answer, *positions)) == read(answer)


def test_an_answer_may_be_split_anywhere() -> None:
    answer = b"HTTP/1.1 201 Created\r\nServer: x\r\nX-Twice: a\r\ncontent-length:5\r\nx-twice:\tb \r\n\r\nhello"
    whole = read(answer)
    assert whole == (
        Answer(201, {"server": "x", "x-twice": "a, b", "content-length": "5"}, b"hello"),
        True,
    )

    assert [read(answer[:at], answer[at:]) for at in range(1, len(answer))] == [whole] * (len(answer) - 1)


@given(plain_answers())
def test_an_answer_is_what_http_client_makes_of_it(answer: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, http.client.HTTPResponse(ours, method="POST") as expected:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        expected.begin()
        headers: dict[str, list[str]] = {}
        for name, text in expected.headers.items():
            headers.setdefault(name.lower(), []).append(text.strip(" \t"))
        body = expected.read()

    got, can_be_used_again = read(answer)
    assert (got.status_code, got.body) == (expected.status, body)
    assert got.headers == {name: ", ".join(texts) for name, texts in headers.items()}
    closes = any("close" in text.lower() for text in headers.get("connection", []))
    has_wrong_body = expected.status in {204, 304} and headers.get("content-length", ["0"]) != ["0"]
    assert can_be_used_again == (not closes and not has_wrong_body)


def test_a_plain_answer_costs_one_look_at_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http.client.HTTPResponse, "begin", None)

    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == (
        Answer(200, {"content-length": "2"}, b"ok"),
        True,
    )


@pytest.mark.parametrize(("size", "can_be_used_again"), [(LIMIT - 1, True), (LIMIT, True), (LIMIT + 1, False)])
def test_a_body_is_kept_up_to_the_limit(size: int, can_be_used_again: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    for parts in ([head + b"x" * size], [head, b"x" * size]):
        answer, again = read(*parts)
        assert (answer.body, again) == (b"x" * min(size, LIMIT), can_be_used_again)


def test_a_length_that_is_not_that_of_the_body_is_waited_for() -> None:
    answer, again = read(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok", b"ok")
    assert (answer.body, again) == (b"okok", True)
