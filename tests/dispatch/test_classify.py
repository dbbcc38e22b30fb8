import doctest
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch import classify as module
from dispatch.classify import Verdict, classify, parse_retry_after
from dispatch.states import Outcome
from dispatch.transport import Result

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ENDPOINT_GONE = Verdict(
    Outcome.ENDPOINT_GONE, error="The receiver answered 410: the endpoint is gone.", final=True, slows_endpoint=False
)
FAILURES = [outcome for outcome in Outcome if outcome not in (Outcome.SUCCESS, Outcome.WORKER_LOST)]


def answered(status: int, headers: Mapping[str, str] | None = None) -> Verdict:
    return classify(Result("key", NOW, 0.1, status_code=status, headers=headers or {}), NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_2xx_is_success(status: int) -> None:
    assert answered(status) == Verdict(Outcome.SUCCESS)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_3xx_is_a_failure_that_is_tried_again(status: int) -> None:
    assert answered(status) == Verdict(
        Outcome.REDIRECT,
        error=f"The receiver answered {status}. Redirects are not followed: change the endpoint's URL.",
    )


@pytest.mark.parametrize(
    "status", [101, 199, 400, 401, 403, 404, 409, 411, 413, 422, 499, 500, 501, 505, 599, 600, 999]
)
def test_another_status_is_a_failure_that_is_tried_again(status: int) -> None:
    assert answered(status) == Verdict(Outcome.HTTP_ERROR, error=f"The receiver answered {status}.")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_receiver_is_slowed_down(status: int) -> None:
    assert answered(status) == Verdict(
        Outcome.HTTP_ERROR, error=f"The receiver answered {status}.", slows_endpoint=True
    )


def test_410_is_final() -> None:
    assert answered(410) == ENDPOINT_GONE


def test_410_stays_final_when_it_asks_to_come_back() -> None:
    assert answered(410, {"retry-after": "60"}) == ENDPOINT_GONE


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_retry_after_is_read_from_every_answer_that_is_tried_again(status: int) -> None:
    assert answered(status, {"retry-after": "60"}).retry_after == 60


def test_retry_after_of_a_success_means_nothing() -> None:
    assert answered(200, {"retry-after": "60"}) == Verdict(Outcome.SUCCESS)


@pytest.mark.parametrize("failure", FAILURES)
def test_what_kept_an_answer_from_coming_is_the_outcome(failure: Outcome) -> None:
    result = Result("key", NOW, 0.1, failure=failure, error="It went wrong.")

    assert classify(result, NOW) == Verdict(failure, error="It went wrong.", slows_endpoint=failure is Outcome.TIMEOUT)


@pytest.mark.parametrize("status", [200, 410, 503])
def test_an_answer_that_did_not_come_whole_is_a_failure_whatever_its_status(status: int) -> None:
    result = Result("key", NOW, 0.1, status_code=status, failure=Outcome.TIMEOUT, error="It went wrong.")

    assert classify(result, NOW) == Verdict(Outcome.TIMEOUT, error="It went wrong.", slows_endpoint=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("86400", 86400.0),
        ("9" * 400, 999_999_999_999.0),
        ("Wed, 04 Mar 2026 05:07:07 GMT", 60.0),
        ("Wednesday, 04-Mar-26 05:07:07 GMT", 60.0),
        ("Wed Mar  4 05:07:07 2026", 60.0),
        ("Wed, 04 Mar 2026 06:07:07 +0100", 60.0),
        ("Wed, 04 Mar 2026 05:07:07 -0000", 60.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 251_629_700_032.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float) -> None:
    assert parse_retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["Wed, 04 Mar 2026 05:06:06 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "1 Jan 0001 00:00 GMT"]
)
def test_a_date_that_is_past_means_at_once(text: str) -> None:
    assert parse_retry_after(text, NOW) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "soon",
        "-1",
        "1.5",
        "1e3",
        "0x10",
        "²",
        "١٢٠",
        "inf",
        "nan",
        ",",
        "Wed,",
        "Wed, 32 Mar 2026 05:07:07 GMT",
        "Wed, 04 Mar 2026 25:07:07 GMT",
        "Wed, 04 Mar 99999 05:07:07 GMT",
        "Wed, 04 Mar 99999999999999999999 05:07:07 GMT",
        "Wed, 04 Mar 2026 05:07:07 +99999999999999999999",
        "Wed, 04 Mar 2026 05:07:07 +9999",
        "\x00",
        "\ud800",
    ],
)
def test_garbage_is_no_retry_after(text: str) -> None:
    assert parse_retry_after(text, NOW) is None
    assert answered(503, {"retry-after": text}).retry_after is None


# Texts that look enough like a date to get deep into its parser.
_PIECES = [
    "Wed,",
    "Wed",
    " ",
    "04",
    "Mar",
    "2026",
    "99999999999999",
    "0000",
    "05:07:07",
    "5.7.7",
    "24:00",
    "GMT",
    "EST",
]
_PIECES += ["+9999", "-0000", "+2359", "-2359", "(", ")", '"', "\\", ",", "-", ":", ";", "<", "@", "\r\n", "\x00", "²"]


@given(
    st.text()
    | st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)
    | st.lists(st.sampled_from(_PIECES)).map(" ".join)
)
def test_no_header_makes_it_raise(text: str) -> None:
    seconds = answered(503, {"retry-after": text}).retry_after

    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


@given(st.integers(0, 10**11))
def test_a_date_says_the_same_as_its_distance(seconds: int) -> None:
    date = NOW + timedelta(seconds=seconds)

    assert parse_retry_after(str(seconds), NOW) == seconds
    assert parse_retry_after(date.strftime("%a, %d %b %Y %H:%M:%S GMT"), NOW) == seconds


def test_the_examples_in_the_docstring_run() -> None:
    results = doctest.testmod(module)

    assert (results.attempted, results.failed) == (3, 0)
