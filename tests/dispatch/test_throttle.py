from hypothesis import given
from hypothesis import strategies as st

from dispatch.gates import Throttle


def test_halves_and_comes_back_in_steps_of_a_tenth() -> None:
    throttle = Throttle(10.0)
    assert throttle.rate(0.0) is None

    throttle.slow_down(to_half_of=100.0, began_at=0.0, now=0.0)
    assert [throttle.rate(at) for at in (0.0, 9.9, 10.0, 20.0, 49.9)] == [50.0, 50.0, 60.0, 70.0, 90.0]
    assert throttle.rate(50.0) is None


def test_a_second_signal_halves_again() -> None:
    throttle = Throttle(10.0)
    throttle.slow_down(to_half_of=100.0, began_at=0.0, now=0.0)
    throttle.slow_down(to_half_of=7.0, began_at=10.0, now=10.0)

    assert throttle.rate(10.0) == 30.0
    assert (throttle.rate(70.0), throttle.rate(80.0)) == (90.0, None)


def test_those_that_left_together_are_one_signal() -> None:
    throttle = Throttle(10.0)
    for _ in range(20):
        throttle.slow_down(to_half_of=100.0, began_at=0.9, now=1.0)
    assert throttle.rate(1.0) == 50.0


@given(st.floats(0.01, 10_000), st.lists(st.floats(0, 30), max_size=50), st.floats(0, 100))
def test_is_never_faster_than_before_and_always_ends(full: float, waits: list[float], later: float) -> None:
    throttle, now = Throttle(10.0), 0.0
    throttle.slow_down(to_half_of=full, began_at=0.0, now=0.0)
    for wait in waits:
        now += wait
        throttle.slow_down(to_half_of=full, began_at=now, now=now)
        rate = throttle.rate(now)
        assert rate is not None
        assert 0 < rate <= full
    lasts = throttle.lasts(now)
    other = Throttle(10.0)
    if (written := throttle.written(now)) is not None:
        other.resume(written, 5000.0)
    assert other.rate(5000.0) == throttle.rate(now)
    assert throttle.rate(now + lasts + 1) is None
