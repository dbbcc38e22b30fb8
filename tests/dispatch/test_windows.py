import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dispatch.windows import Windows

SLOW_AFTER = 3.0
QUICK = 0.1


def windows(*, capacity: int = 100, slow_budget: int = 50, largest: int = 64) -> Windows:
    return Windows(capacity=capacity, slow_budget=slow_budget, largest=largest, slow_after=SLOW_AFTER)


def hold(window: Windows, lane: str, count: int) -> None:
    for _ in range(count):
        window.hold(lane)


def end(window: Windows, lane: str, count: int) -> None:
    for _ in range(count):
        window.end(lane, None)


def room(window: Windows, lane: str, now: float = 0.0) -> int:
    return window.rooms([lane], now).get(lane, 0)


def prove(window: Windows, lane: str, successes: int = 1) -> None:
    for _ in range(successes):
        window.grow(lane, QUICK)


def test_a_new_lane_gets_one_request_until_it_has_answered() -> None:
    some = windows()
    assert some.rooms(["a", "b", "c", "d"], 0.0) == {"a": 1, "b": 1, "c": 1, "d": 1}

    some.grow("a", QUICK)
    some.halve("b")
    some.collapse("c")
    assert some.rooms(["a", "b", "c", "d"], 0.0) == {"a": 9, "b": 4, "c": 1, "d": 1}


def test_new_lanes_that_hang_leave_room_for_new_ones_that_answer() -> None:
    some = windows(capacity=100, slow_budget=10)
    hanging = [f"hanging {number}" for number in range(6)]
    for lane in some.rooms(hanging, 0.0):
        some.hold(lane)

    assert some.rooms([*hanging, "a", "b"], 0.0) == {"a": 1, "b": 1}


def test_a_window_starts_no_larger_than_windows_may_be() -> None:
    some = windows(largest=3)
    prove(some, "a")
    assert room(some, "a") == 3


def test_what_is_held_takes_up_room_until_it_ends() -> None:
    some = windows()
    prove(some, "a")
    hold(some, "a", 6)
    assert (room(some, "a"), some.held_by("a"), some.held, some.room) == (3, 6, 6, 94)

    end(some, "a", 5)
    assert (room(some, "a"), some.held_by("a"), some.held, some.room) == (8, 1, 1, 99)

    end(some, "a", 1)
    assert (room(some, "a"), some.held_by("a"), some.held, some.room) == (9, 0, 0, 100)


def test_a_lane_without_room_is_left_out() -> None:
    some = windows()
    hold(some, "a", 1)

    assert some.rooms(["a", "b"], 0.0) == {"b": 1}


def test_a_window_grows_by_one_with_every_success_to_its_largest() -> None:
    some = windows()
    prove(some, "a")
    assert room(some, "a") == 9

    prove(some, "a", 100)
    assert room(some, "a") == 64


@pytest.mark.parametrize(("times", "left"), [(1, 4), (2, 2), (3, 1), (4, 1), (100, 1)])
def test_an_overloaded_lane_gets_half_each_time_but_never_nothing(times: int, left: int) -> None:
    some = windows()
    for _ in range(times):
        some.halve("a")

    assert room(some, "a") == left


def test_a_window_collapses_to_one_and_grows_from_there() -> None:
    some = windows()
    prove(some, "a", 20)
    some.collapse("a")
    assert room(some, "a") == 1

    prove(some, "a", 2)
    assert room(some, "a") == 3


def test_a_collapsed_window_has_no_room_while_more_than_one_is_held() -> None:
    some = windows()
    hold(some, "a", 8)
    some.collapse("a")
    assert some.rooms(["a"], 0.0) == {}

    end(some, "a", 7)
    assert some.rooms(["a"], 0.0) == {}

    end(some, "a", 1)
    assert some.rooms(["a"], 0.0) == {"a": 1}


def test_room_is_shared_out_evenly_and_what_is_over_goes_to_the_first() -> None:
    some = windows(capacity=20)
    for lane in "abc":
        prove(some, lane)

    assert some.rooms(["c", "a", "b"], 0.0) == {"c": 8, "a": 6, "b": 6}


def test_what_one_lane_does_not_want_of_its_share_is_there_for_the_others() -> None:
    some = windows(capacity=24)
    for lane in "abc":
        prove(some, lane, 7)
    some.collapse("b")
    some.grow("b", QUICK)

    assert some.rooms(["a", "b", "c"], 0.0) == {"a": 14, "b": 2, "c": 8}


def test_room_too_small_to_be_shared_is_given_to_the_first_lanes_by_fours() -> None:
    some = windows(capacity=10)
    for lane in "abcde":
        prove(some, lane)

    assert some.rooms(["e", "a", "d", "b", "c"], 0.0) == {"e": 4, "a": 4, "d": 2}


def test_many_quick_lanes_share_what_the_others_have_left() -> None:
    some = windows(capacity=64, slow_budget=8)
    for number in range(8):
        prove(some, f"quick {number}", 20)
    hold(some, "quick 0", 12)
    some.collapse("slow")
    lanes = ["new", "slow", *(f"quick {number}" for number in range(8))]

    assert some.rooms(lanes, 0.0) == {
        "new": 1,
        "slow": 1,
        "quick 0": 15,
        **{f"quick {number}": 5 for number in range(1, 8)},
    }


def test_a_lane_is_slow_until_its_first_quick_success() -> None:
    some = windows()
    assert some.is_slow("a", 0.0)

    prove(some, "a")
    assert not some.is_slow("a", 0.0)


def test_a_success_that_took_long_proves_nothing() -> None:
    some = windows()
    some.grow("a", SLOW_AFTER)
    assert not some.is_slow("a", 0.0)

    some.grow("a", SLOW_AFTER + 0.1)
    assert some.is_slow("a", 0.0)


def test_a_lane_is_slow_after_a_time_out_until_its_next_quick_success() -> None:
    some = windows()
    prove(some, "a")
    some.collapse("a")
    assert some.is_slow("a", 0.0)

    prove(some, "a")
    assert not some.is_slow("a", 0.0)


def test_overload_does_not_make_a_lane_slow() -> None:
    some = windows()
    prove(some, "a")
    some.halve("a")

    assert not some.is_slow("a", 0.0)


def test_a_request_long_under_way_makes_its_lane_slow_until_it_ends() -> None:
    some = windows()
    prove(some, "a")
    hold(some, "a", 2)
    some.begin("a", "first", 10.0)
    some.begin("a", "second", 12.0)

    assert not some.is_slow("a", 13.0)
    assert some.is_slow("a", 13.1)
    some.end("a", "first")
    assert not some.is_slow("a", 13.1)
    assert some.is_slow("a", 15.1)
    some.end("a", "second")
    assert not some.is_slow("a", 100.0)


def test_something_is_slow_while_a_slow_lane_holds_claims() -> None:
    some = windows()
    prove(some, "a")
    some.is_slow("b", 0.0)
    assert not some.is_any_slow(0.0)

    hold(some, "a", 2)
    assert not some.is_any_slow(0.0)
    hold(some, "b", 1)
    assert some.is_any_slow(0.0)
    end(some, "b", 1)
    assert not some.is_any_slow(0.0)

    some.begin("a", "first", 1.0)
    assert not some.is_any_slow(4.0)
    assert some.is_any_slow(4.1)
    some.end("a", "first")
    assert not some.is_any_slow(4.1)

    some.collapse("a")
    assert some.is_any_slow(4.1)
    end(some, "a", 1)
    assert not some.is_any_slow(4.1)


def test_new_lanes_hold_half_of_the_capacity_at_most() -> None:
    some = windows(capacity=8, slow_budget=1)
    prove(some, "proven", 12)

    assert some.rooms([*"abcdef", "proven"], 0.0) == {"a": 1, "b": 1, "c": 1, "d": 1, "proven": 4}
    hold(some, "c", 1)
    assert some.rooms([*"abcdef", "proven"], 0.0) == {"a": 1, "b": 1, "d": 1, "proven": 4}


def test_slow_lanes_share_their_budget_and_proven_ones_get_the_rest() -> None:
    some = windows(capacity=40, slow_budget=3)
    prove(some, "proven", 12)
    for lane in "abcd":
        some.collapse(lane)

    assert some.rooms(["a", "b", "c", "d", "proven"], 0.0) == {"a": 1, "b": 1, "c": 1, "proven": 20}


def test_what_hanging_lanes_hold_is_taken_from_the_slow_budget() -> None:
    some = windows(capacity=100, slow_budget=16)
    prove(some, "hanging", 8)
    prove(some, "proven")
    some.collapse("slow")
    hold(some, "hanging", 15)
    for number in range(15):
        some.begin("hanging", number, 0.0)

    assert some.rooms(["hanging", "slow", "proven"], 1.0) == {"hanging": 1, "slow": 1, "proven": 9}
    assert some.rooms(["hanging", "slow", "proven"], 4.0) == {"hanging": 1, "proven": 9}


def test_lanes_that_turned_slow_with_more_than_the_budget_get_nothing_new() -> None:
    some = windows(capacity=100, slow_budget=10)
    prove(some, "hanging", 20)
    prove(some, "proven")
    some.collapse("slow")
    hold(some, "hanging", 20)
    for number in range(20):
        some.begin("hanging", number, 0.0)

    assert some.rooms(["hanging", "slow", "new", "proven"], 4.0) == {"new": 1, "proven": 9}


def test_beyond_ten_thousand_lanes_idle_ones_are_forgotten_and_held_ones_never() -> None:
    some = windows(capacity=10**6, slow_budget=10**6)
    hold(some, "held", 3)
    prove(some, "held")
    prove(some, "idle", 5)
    for number in range(10_000):
        some.is_slow(number, 0.0)

    assert (room(some, "held"), some.held_by("held"), some.is_slow("held", 0.0)) == (6, 3, False)
    assert room(some, "idle") == 1


@given(st.lists(st.tuples(st.integers(0, 39), st.sampled_from(["claim", "time-out", "long success"])), max_size=200))
def test_whatever_new_and_slow_lanes_do_a_quick_one_has_its_window(does: list[tuple[int, str]]) -> None:
    # The proportions of a process of 16 slots.
    some = windows(capacity=64, slow_budget=8, largest=8)
    prove(some, "quick")
    for number, what in does:
        lane = f"lane {number}"
        if what == "claim":
            hold(some, lane, room(some, lane))
        elif some.held_by(lane):
            if what == "time-out":
                some.collapse(lane)
            else:
                some.grow(lane, SLOW_AFTER * 2)
            some.end(lane, None)

        assert room(some, "quick") == 8


class AnySequence(RuleBasedStateMachine):
    """What holds for the claims of a process whatever its lanes do."""

    CAPACITY, SLOW_BUDGET, LARGEST = 40, 6, 16
    LANES = tuple("abcdef")

    def __init__(self) -> None:
        super().__init__()
        self.windows = windows(capacity=self.CAPACITY, slow_budget=self.SLOW_BUDGET, largest=self.LARGEST)
        self.now = 0.0
        self.keys = 0
        # Keys of the claims of each lane: those that wait, and those under way.
        self.waiting: dict[str, list[int]] = {lane: [] for lane in self.LANES}
        self.under_way: dict[str, list[int]] = {lane: [] for lane in self.LANES}
        self.answered: set[str] = set()

    def new(self) -> list[str]:
        return [lane for lane in self.LANES if lane not in self.answered]

    def slow(self) -> list[str]:
        return [lane for lane in self.answered if self.windows.is_slow(lane, self.now)]

    def quick(self) -> list[str]:
        return [lane for lane in self.LANES if not self.windows.is_slow(lane, self.now)]

    def held_by(self, lanes: list[str]) -> int:
        return sum(self.windows.held_by(lane) for lane in lanes)

    @rule(lanes=st.permutations(LANES), count=st.integers(1, 6), part=st.floats(0, 1))
    def claim(self, lanes: list[str], count: int, part: float) -> None:
        new, slow = self.held_by(self.new()), self.held_by(self.slow())
        rooms = self.windows.rooms(lanes[:count], self.now)
        for lane, granted in rooms.items():
            assert 0 < granted <= self.LARGEST
            for _ in range(round(granted * part)):
                self.keys += 1
                self.windows.hold(lane)
                self.waiting[lane].append(self.keys)
        assert self.held_by(self.new()) <= max(new, self.CAPACITY // 2)
        assert self.held_by(self.slow()) <= max(slow, self.SLOW_BUDGET)

    @rule(lane=st.sampled_from(LANES))
    @precondition(lambda self: any(self.waiting.values()))
    def begin(self, lane: str) -> None:
        while self.waiting[lane]:
            key = self.waiting[lane].pop(0)
            self.windows.begin(lane, key, self.now)
            self.under_way[lane].append(key)

    @rule(lane=st.sampled_from(LANES))
    def withdraw(self, lane: str) -> None:
        while self.waiting[lane]:
            self.windows.end(lane, self.waiting[lane].pop())

    @rule(
        lane=st.sampled_from(LANES),
        which=st.integers(0),
        how=st.sampled_from(["quick", "long", "overloaded", "timeout", "error"]),
    )
    @precondition(lambda self: any(self.under_way.values()))
    def finish(self, lane: str, which: int, how: str) -> None:
        if not self.under_way[lane]:
            return
        key = self.under_way[lane].pop(which % len(self.under_way[lane]))
        if how == "quick":
            self.windows.grow(lane, QUICK)
        elif how == "long":
            self.windows.grow(lane, SLOW_AFTER * 2)
        elif how == "overloaded":
            self.windows.halve(lane)
        elif how == "timeout":
            self.windows.collapse(lane)
        if how != "error":
            self.answered.add(lane)
        self.windows.end(lane, key)

    @rule(seconds=st.sampled_from([0.1, 1.0, SLOW_AFTER, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def counts_are_right(self) -> None:
        held = {lane: len(self.waiting[lane]) + len(self.under_way[lane]) for lane in self.LANES}
        assert {lane: self.windows.held_by(lane) for lane in self.LANES} == held
        assert self.windows.held == sum(held.values())
        assert self.windows.room == self.CAPACITY - self.windows.held

    @invariant()
    def nothing_is_held_beyond_its_bounds(self) -> None:
        assert self.windows.held <= self.CAPACITY
        assert all(self.windows.held_by(lane) <= self.LARGEST for lane in self.LANES)

    @invariant()
    def a_lane_that_has_not_answered_holds_one_claim(self) -> None:
        assert set(self.new()) <= {lane for lane in self.LANES if self.windows.is_slow(lane, self.now)}
        assert all(self.windows.held_by(lane) <= 1 for lane in self.new())

    @invariant()
    def it_is_known_whether_something_slow_is_held(self) -> None:
        assert self.windows.is_any_slow(self.now) == (self.held_by([*self.new(), *self.slow()]) > 0)

    @invariant()
    def rooms_never_add_up_to_more_than_there_is(self) -> None:
        rooms = self.windows.rooms(self.LANES, self.now)
        assert sum(rooms.values()) <= self.windows.room
        for lanes, budget in ((self.new(), self.CAPACITY // 2), (self.slow(), self.SLOW_BUDGET)):
            assert sum(rooms.get(lane, 0) for lane in lanes) <= max(0, budget - self.held_by(lanes))

    @invariant()
    def quick_lanes_have_their_shares_and_nothing_is_kept_back(self) -> None:
        rooms = self.windows.rooms(self.LANES, self.now)
        alone = {lane: room(self.windows, lane, self.now) for lane in self.quick()}
        share = self.windows.room // len(self.LANES)
        if share >= 4:
            assert all(rooms.get(lane, 0) >= min(wanted, share) for lane, wanted in alone.items())
        if sum(rooms.values()) < self.windows.room:
            assert {lane: rooms.get(lane, 0) for lane in alone} == alone


TestAnySequence = AnySequence.TestCase
