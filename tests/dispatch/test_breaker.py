import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dispatch.gates import Breaker, Move
from tests.dispatch.gates_made import BREAKER


def fail(breaker: Breaker, now: float, *, times: int = 1, is_unconnected: bool = False) -> list[Move | None]:
    return [breaker.fail(is_unconnected=is_unconnected, now=now, chance=0.0) for _ in range(times)]


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(BREAKER)
    fail(breaker, now, times=10)
    return breaker


def test_opens_when_seven_of_ten_failed() -> None:
    breaker = Breaker(BREAKER)
    for _ in range(3):
        breaker.succeed(0.0)

    assert fail(breaker, 0.0, times=7) == [None] * 6 + [Move.OPENED]
    assert breaker.wait(0.0) == 30.0


def test_stays_closed_below_the_minimum_and_below_the_rate() -> None:
    breaker = Breaker(BREAKER)
    assert fail(breaker, 0.0, times=9) == [None] * 9

    for _ in range(100):
        breaker.succeed(0.0)
    assert fail(breaker, 0.0, times=100) == [None] * 100


def test_what_is_older_than_the_window_does_not_count() -> None:
    breaker = Breaker(BREAKER)
    fail(breaker, 0.0, times=9)

    assert fail(breaker, 301.0, times=9) == [None] * 9
    assert fail(breaker, 302.0) == [Move.OPENED]


def test_opens_after_five_connection_failures_in_a_row() -> None:
    breaker = Breaker(BREAKER)
    for _ in range(50):
        breaker.succeed(0.0)
    assert fail(breaker, 0.0, times=4, is_unconnected=True) == [None] * 4
    breaker.succeed(0.0)

    assert fail(breaker, 0.0, times=5, is_unconnected=True) == [None] * 4 + [Move.OPENED]


def test_one_that_tries_closes_it() -> None:
    breaker = opened()
    breaker.begin()

    assert breaker.succeed(30.0) is Move.CLOSED
    assert (breaker.pauses, breaker.wait(30.0)) == (0, 0.0)
    assert fail(breaker, 30.0, times=9) == [None] * 9


def test_its_pause_doubles_up_to_the_longest() -> None:
    breaker, now, pauses = opened(), 30.0, [30.0]
    for _ in range(6):
        breaker.begin()
        assert fail(breaker, now) == [Move.OPENED]
        pauses.append(breaker.wait(now))
        now += pauses[-1]

    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_what_left_before_it_opened_changes_nothing() -> None:
    breaker = opened()

    assert (breaker.succeed(1.0), fail(breaker, 1.0)) == (None, [None])
    assert (breaker.pauses, breaker.wait(1.0)) == (1, 29.0)


def test_jitter_spreads_what_opened_together() -> None:
    breaker = Breaker(BREAKER)
    for _ in range(10):
        breaker.fail(is_unconnected=False, now=0.0, chance=1.0)
    assert breaker.wait(0.0) == 33.0


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60), st.integers(0, 60))
def test_handing_its_counts_over_changes_nothing(outcomes: list[tuple[float, bool]], at: int) -> None:
    one, two = Breaker(BREAKER), Breaker(BREAKER)
    now = 0.0
    for number, (wait, is_success) in enumerate(outcomes):
        now += wait
        if number == at and (written := two.written(now)) is not None:
            two = Breaker(BREAKER)
            two.resume(written, now)
        for breaker in (one, two):
            if is_success:
                breaker.succeed(now)
            else:
                breaker.fail(is_unconnected=False, now=now, chance=0.0)
        # Successes that are too few to matter are not handed over.
        assert two.pauses >= one.pauses


class BreakerMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order: while it is open, nothing but one that tries changes it."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(dataclasses.replace(BREAKER, minimum=3, window=10.0))
        self.now = 0.0

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def succeed(self) -> None:
        before = self.breaker.pauses
        assert (self.breaker.succeed(self.now) is Move.CLOSED) == (before > self.breaker.pauses)

    @rule(is_unconnected=st.booleans())
    def fail(self, is_unconnected: bool) -> None:
        before = self.breaker.pauses
        move = self.breaker.fail(is_unconnected=is_unconnected, now=self.now, chance=0.0)
        assert (move is Move.OPENED) == (self.breaker.pauses == before + 1)

    @precondition(lambda self: not self.breaker.wait(self.now))
    @rule()
    def begin(self) -> None:
        self.breaker.begin()

    @invariant()
    def pauses_are_bounded(self) -> None:
        assert 0 <= self.breaker.wait(self.now) <= BREAKER.pause_max


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=50, stateful_step_count=30)
