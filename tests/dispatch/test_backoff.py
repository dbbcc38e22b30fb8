import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch import backoff
from webhooks_project.conf import WebhookSettings

DEFAULT = WebhookSettings()
ZERO_TO_ONE = st.floats(0, 1)
SECONDS = st.floats(0, 1e6)


def delay(attempts: int, *, chance: float = 0, retry_after: float | None = None) -> float | None:
    return backoff.delay_before_retry(
        attempts,
        schedule=DEFAULT.retry_schedule,
        jitter=DEFAULT.retry_jitter,
        chance=chance,
        retry_after=retry_after,
        retry_after_max=DEFAULT.retry_after_max,
    )


@pytest.mark.parametrize(
    ("attempts", "least", "most"),
    [
        (1, 5, 5.5),
        (2, 300, 330),
        (3, 1800, 1980),
        (4, 7200, 7920),
        (5, 18000, 19800),
        (6, 36000, 39600),
        (7, 50400, 55440),
        (8, 72000, 79200),
        (9, 86400, 95040),
    ],
)
def test_the_default_schedule(attempts: int, least: float, most: float) -> None:
    assert delay(attempts) == least
    assert delay(attempts, chance=1) == pytest.approx(most)


def test_the_tenth_attempt_is_the_last() -> None:
    assert delay(10) is None


def test_the_default_schedule_takes_75_hours_and_35_minutes_without_jitter() -> None:
    assert sum(delay(attempts) or 0 for attempts in range(1, 10)) == 75 * 3600 + 35 * 60 + 5


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        pytest.param(100, 100, id="longer than the schedule: obeyed"),
        pytest.param(1, 5, id="shorter: the schedule's delay, because it is a floor"),
        pytest.param(0, 5, id="nothing"),
        pytest.param(10_000_000, 86400, id="longer than is allowed: clamped"),
    ],
)
def test_retry_after_is_a_floor_with_a_ceiling(retry_after: float, expected: float) -> None:
    assert delay(1, retry_after=retry_after) == expected


def test_jitter_comes_on_top_of_retry_after_so_that_nobody_returns_too_early() -> None:
    assert delay(1, retry_after=100, chance=0.5) == pytest.approx(105)


def test_retry_after_does_not_make_the_schedule_longer() -> None:
    assert delay(10, retry_after=100) is None


@given(
    schedule=st.lists(SECONDS, min_size=1, max_size=12),
    data=st.data(),
    jitter=ZERO_TO_ONE,
    chance=ZERO_TO_ONE,
    retry_after=st.none() | SECONDS,
    retry_after_max=SECONDS,
)
def test_a_delay_stays_within_its_bounds(
    schedule: list[float],
    data: st.DataObject,
    jitter: float,
    chance: float,
    retry_after: float | None,
    retry_after_max: float,
) -> None:
    attempts = data.draw(st.integers(1, len(schedule)))
    found = backoff.delay_before_retry(
        attempts,
        schedule=schedule,
        jitter=jitter,
        chance=chance,
        retry_after=retry_after,
        retry_after_max=retry_after_max,
    )
    floor = max(schedule[attempts - 1], min(retry_after or 0, retry_after_max))
    assert found is not None
    assert floor <= found <= floor * (1 + jitter)


@given(attempts=st.integers(1, 20), schedule=st.lists(SECONDS, max_size=12), chance=ZERO_TO_ONE)
def test_there_is_one_retry_for_each_number_of_the_schedule(
    attempts: int, schedule: list[float], chance: float
) -> None:
    found = backoff.delay_before_retry(attempts, schedule=schedule, jitter=0.1, chance=chance, retry_after_max=86400)
    assert (found is None) == (attempts > len(schedule))


def test_the_examples_in_the_docstring_run() -> None:
    results = doctest.testmod(backoff)

    assert (results.attempted, results.failed) == (3, 0)
