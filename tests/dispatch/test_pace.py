import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.gates import Pace

LIMITS = st.sampled_from([(1, 1), (5, 1), (10, 1), (37, 1), (100, 1), (1000, 1), (1, 60), (60, 60), (500, 3600)])


def most_in_a_window(sent: list[float], period: float) -> int:
    most = first = 0
    for last, at in enumerate(sent):
        while sent[first] <= at - period:
            first += 1
        most = max(most, last - first + 1)
    return most


def send_all(pace: Pace, waits: list[float], now: float = 0.0) -> list[float]:
    """Look after each wait, and send whatever may go."""
    sent = []
    for wait in waits:
        now += wait
        count = pace.count(now)
        pace.spend(count, now)
        sent += [now] * count
    return sent


@given(limit=LIMITS, looks=st.lists(st.floats(0, 2), min_size=1, max_size=200), is_empty=st.booleans())
def test_no_window_sees_more_than_the_limit_however_it_is_looked_at(
    limit: tuple[int, int], looks: list[float], is_empty: bool
) -> None:
    count, period = limit
    pace = Pace(count, period, now=0.0, is_empty=is_empty)

    sent = send_all(pace, [look * period / 3 for look in looks])
    assert most_in_a_window(sent, period) <= count


@given(limit=LIMITS)
def test_with_a_backlog_nine_tenths_are_used(limit: tuple[int, int]) -> None:
    count, period = limit
    pace = Pace(count, period, now=0.0, is_empty=True)
    now, sent = 0.0, 0
    while now < 20 * period:
        some = pace.count(now)
        pace.spend(some, now)
        sent += some
        now += max(pace.wait(now), 0.02)

    assert 0.9 * count * 20 - 1 <= sent <= count * 20


@given(limit=LIMITS, first=st.lists(st.floats(0, 1), max_size=50), second=st.lists(st.floats(0, 1), max_size=50))
def test_handing_it_over_changes_nothing(limit: tuple[int, int], first: list[float], second: list[float]) -> None:
    count, period = limit
    one = Pace(count, period, now=0.0)
    at = sum(first)
    sent = send_all(one, first)
    # Another process, whose clock shows something else.
    two = Pace(count, period, now=1000.0)
    two.resume(one.owed(at), 1000.0)
    sent += [at + each - 1000.0 for each in send_all(two, second, 1000.0)]

    assert most_in_a_window(sent, period) <= count


@given(limit=LIMITS, looks=st.lists(st.floats(0, 1), max_size=50), gap=st.floats(0, 0.5))
def test_whoever_knows_nothing_of_the_one_before_starts_without_a_burst(
    limit: tuple[int, int], looks: list[float], gap: float
) -> None:
    count, period = limit
    sent = send_all(Pace(count, period, now=0.0), looks)
    at = sum(looks) + gap
    sent += send_all(Pace(count, period, now=at, is_empty=True), looks, at)

    assert most_in_a_window(sent, period) <= count


def test_what_has_not_gone_yet_goes_now_at_the_earliest() -> None:
    pace = Pace(100, 1, now=0.0)
    pace.spend(5, 0.0)
    # Five wait for a slot, for a second.
    for moment in range(100):
        pace.hold_back(5, moment / 100)
    assert (pace.count(1.0), pace.count(1.015)) == (0, 1)


def test_a_faster_pace_does_not_wait_for_what_a_slower_one_owed() -> None:
    pace = Pace(1, 3600, now=0.0)
    pace.spend(1, 0.0)
    assert pace.wait(0.0) == pytest.approx(3600 / 0.95 - 108)

    pace.change(10, 1, now=1.0)
    assert pace.wait(1.0) == pytest.approx(0.1 / 0.95)
