from hypothesis import given
from hypothesis import strategies as st

from dispatch.gates import Gate, Limits, Move, Opening, Signal, Why
from tests.dispatch.gates_made import RULES, gate

PLENTY = 1000
OK = Signal(is_success=True)
BAD = Signal(is_success=False)
NONE = Limits()
SIGNALS = [OK, BAD, Signal(False, slows=True), Signal(False, retry_after=9.0)]


def opening(some: Gate, now: float, limits: Limits = NONE, *, held: int = 0, unsent: int = 0) -> Opening:
    return some.opening(limits, held=held, unsent=unsent, now=now)


def note(some: Gate, signal: Signal, now: float, *, times: int = 1, limits: Limits = NONE) -> list[Move | None]:
    return [some.note(signal, limits=limits, now=now, chance=0.0) for _ in range(times)]


def test_without_a_reason_all_may_go() -> None:
    assert opening(gate(), 0.0).room > PLENTY
    assert gate().written(0.0) == ""


def test_a_rate_says_when_the_next_may_go() -> None:
    some, limits = gate(), Limits(rate=10)
    assert opening(some, 0.0, limits).room == 1
    some.spend(1, 0.0)

    shut = opening(some, 0.0, limits)
    assert (shut.room, round(shut.wait, 3), shut.why) == (0, 0.075, Why.RATE_LIMIT)
    assert opening(some, shut.wait, limits).room == 1


def test_a_cap_counts_those_under_way_here_and_elsewhere() -> None:
    some, limits = gate(), Limits(in_flight=3)
    assert opening(some, 0.0, limits, held=1).room == 2
    assert opening(some, 0.0, limits, held=3).why is Why.IN_FLIGHT

    some.elsewhere = 2
    assert opening(some, 0.0, limits, held=0).room == 1


def test_the_strictest_reason_decides() -> None:
    some, limits = gate(), Limits(rate=100, in_flight=2)
    assert opening(some, 0.0, limits).room == 2


class TestABreaker:
    def test_lets_nothing_through_and_then_one(self) -> None:
        some = gate()
        assert note(some, BAD, 0.0, times=10)[-1] is Move.OPENED
        assert opening(some, 1.0) == Opening(0, 29.0, Why.BREAKER)

        assert opening(some, 30.0).room == 1
        some.spend(1, 30.0)
        assert opening(some, 30.0, held=1).room == 0
        assert note(some, OK, 31.0) == [Move.CLOSED]
        assert opening(some, 31.0).room > PLENTY

    def test_does_not_open_because_of_429_and_closes_where_one_that_tries_gets_it(self) -> None:
        throttled = Signal(is_success=False, slows=True, counts=False)
        assert set(note(gate(), throttled, 0.0, times=100)) == {None}

        some = gate()
        note(some, BAD, 0.0, times=10)
        some.spend(1, 30.0)
        assert note(some, throttled, 30.0) == [Move.CLOSED]

    def test_lets_nobody_try_while_another_may_be_trying_elsewhere(self) -> None:
        # Taken over from one that was killed.
        some = gate(empty_until=0.0)
        note(some, BAD, 0.0, times=10)
        assert opening(some, 30.0).room == 0
        some.elsewhere = 1
        assert opening(some, 30.0).room == 0
        some.elsewhere = None
        assert opening(some, 30.0).room == 1


class TestThrottling:
    def test_halves_the_rate_limit(self) -> None:
        some, limits = gate(), Limits(rate=100)
        opening(some, -1.0, limits)
        note(some, OK, -1.0, limits=limits, times=100)
        note(some, Signal(False, slows=True), 0.0, limits=limits)

        sent, now = 0, 0.0
        while now < 5.0:
            room = opening(some, now, limits).room
            some.spend(room, now)
            sent, now = sent + room, now + 0.01
        assert 225 <= sent <= 250

    def test_of_an_endpoint_without_limit_halves_what_it_got(self) -> None:
        some = gate()
        for number in range(100):
            note(some, OK, number / 50)
        note(some, Signal(False, slows=True, began_at=2.0), 2.0)

        assert some.throttle.rate(2.0) == 25.0
        assert opening(some, 2.0).why is Why.THROTTLED

    def test_retry_after_closes_it_for_so_long(self) -> None:
        some = gate()
        note(some, Signal(False, slows=True, retry_after=60.0), 0.0)

        assert opening(some, 1.0) == Opening(0, 59.0, Why.RETRY_AFTER)
        assert (opening(some, 61.0).room, some.throttle.rate(61.0)) == (1, 5.0)

    def test_is_forgiven_with_all_the_rest(self) -> None:
        some = gate()
        note(some, Signal(False, slows=True, retry_after=60.0), 0.0, times=10)
        some.forgive()
        assert opening(some, 0.0).room > PLENTY


class TestTakingOver:
    def test_connections_that_failed_in_a_row_are_counted_over_turns(self) -> None:
        unconnected = Signal(False, is_unconnected=True)
        moves, text = [], ""
        for number in range(5):
            # Each turn ends before the next delivery is due, as where there are few.
            some = gate()
            if text:
                some.resume(text, age=60.0, now=100.0 * number)
            moves += note(some, unconnected, 100.0 * number)
            text = some.written(100.0 * number)
        assert moves == [None] * 4 + [Move.OPENED]

    def test_from_one_who_left_no_note_starts_without_a_burst(self) -> None:
        some, limits = gate(empty_until=0.0), Limits(rate=100)
        assert opening(some, 0.0, limits).room == 0
        assert opening(some, 0.011, limits).room == 1

    def test_waits_until_the_other_has_certainly_stopped(self) -> None:
        some = gate(empty_until=10.0)
        assert opening(some, 0.0, Limits(rate=100)) == Opening(0, 10.0, Why.TAKEOVER)
        assert opening(some, 0.0, Limits(in_flight=1)).why is Why.TAKEOVER
        assert opening(some, 0.0).room > PLENTY

    def test_a_cap_waits_until_it_is_known_what_is_under_way_elsewhere(self) -> None:
        some = gate(empty_until=0.0)
        assert opening(some, 1.0, Limits(in_flight=5)).room == 0
        some.elsewhere = None
        assert opening(some, 1.0, Limits(in_flight=5)).room == 5

    def test_a_doubt_is_handed_over(self) -> None:
        first, second = gate(empty_until=10.0), gate()
        second.resume(first.written(4.0), age=1.0, now=100.0)
        assert opening(second, 100.0, Limits(rate=100)) == Opening(0, 5.0, Why.TAKEOVER)

    @given(
        signals=st.lists(
            st.tuples(
                st.integers(0, 20),
                st.sampled_from([OK, BAD, Signal(False, slows=True), Signal(False, retry_after=9.0)]),
            ),
            max_size=40,
        ),
        rate=st.sampled_from([None, 1, 20]),
        # Not at the moment of a step, on whose side rounding decides.
        age=st.integers(0, 100).map(lambda seconds: seconds + 0.5),
    )
    def test_goes_on_where_the_other_has_left_off(
        self, signals: list[tuple[int, Signal]], rate: int | None, age: float
    ) -> None:
        limits = Limits(rate=rate)
        one, now = gate(), 0.0
        for wait, signal in signals:
            now += wait
            some = opening(one, now, limits)
            one.spend(min(some.room, 3), now)
            note(one, signal, now, limits=limits)
        other = Gate(RULES)
        if text := one.written(now):
            assert one.lasts(now) > 0
            other.resume(text, age=age, now=now + age + 1000.0)

        mine, others = opening(one, now + age, limits), opening(other, now + age + 1000.0, limits)
        assert (mine.room > 0) == (others.room > 0)
        assert abs(mine.wait - others.wait) < 0.001
