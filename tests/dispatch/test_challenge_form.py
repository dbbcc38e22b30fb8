import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.challenge_form import body_with, hash_of, problem_with

NONCE = "tHqYbpyZ4JZ2M8w1_ehwf3XtS9RzvD1xMcUB9kRVQ5o"
MISSING = "The receiver accepted the challenge, but its answer does not contain it."
WRONG = "The receiver answered with another challenge than it was sent."
MIRRORED = "The receiver sent back what it got, as it would anything. It has to answer with the challenge alone."


def test_the_body_says_what_it_is_and_what_to_send_back() -> None:
    assert body_with(NONCE) == b'{"type":"webhook.challenge","challenge":"tHqYbpyZ4JZ2M8w1_ehwf3XtS9RzvD1xMcUB9kRVQ5o"}'


def test_the_hash_is_sha256() -> None:
    assert hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"challenge": NONCE}),
        json.dumps({"challenge": NONCE, "status": "ok"}, indent=2),
        NONCE,
        f"  {NONCE}\r\n",
        f'"{NONCE}"',
    ],
)
def test_an_answer_is_json_or_the_nonce_alone(answer: str) -> None:
    assert problem_with(answer.encode(), NONCE) is None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", MISSING),
        ("ok", MISSING),
        ("{}", MISSING),
        ('{"challenge": null}', MISSING),
        ('{"challenge": ""}', MISSING),
        (f'{{"challenge": ["{NONCE}"]}}', MISSING),
        (f'["{NONCE}"]', MISSING),
        (f"<p>{NONCE}</p>", MISSING),
        (f'{{"data": {{"challenge": "{NONCE}"}}}}', MISSING),
        (f'{{"challenge": "{NONCE}"', MISSING),
        (NONCE.swapcase(), WRONG),
        ("ü" * len(NONCE), WRONG),
        (json.dumps({"challenge": "x" * len(NONCE)}), WRONG),
        ('{"challenge": "' + r"\ud800" * len(NONCE) + '"}', WRONG),
        (body_with(NONCE).decode(), MIRRORED),
    ],
)
def test_everything_else_is_a_problem_with_a_sentence(answer: str, problem: str) -> None:
    assert problem_with(answer.encode(), NONCE) == problem


@given(st.one_of(st.binary(), st.recursive(st.none() | st.text(), lambda x: st.dictionaries(st.text(), x)).map(repr)))
def test_whatever_a_receiver_sends_is_judged(answer: bytes | str) -> None:
    assert problem_with(answer if isinstance(answer, bytes) else answer.encode("utf-8", "replace"), NONCE)
