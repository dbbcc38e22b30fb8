from hypothesis import given
from hypothesis import strategies as st

from dispatch.turns import Turns


def turns(*items: str) -> Turns[str]:
    """Make items wait, each in the lane that its first letter names."""
    waiting: Turns[str] = Turns()
    for item in items:
        waiting.add(item[0], item)
    return waiting


def take_all(waiting: Turns[str]) -> list[str]:
    return list(iter(waiting.take, None))


def test_one_of_each_lane_is_taken_and_then_the_next_of_each() -> None:
    assert take_all(turns("a1", "a2", "a3", "b1", "c1", "c2")) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_a_lane_that_comes_while_others_wait_has_its_turn_after_one_of_each() -> None:
    waiting = turns("a1", "a2", "a3", "b1", "b2")
    assert waiting.take() == "a1"
    waiting.add("c", "c1")

    assert take_all(waiting) == ["b1", "a2", "c1", "b2", "a3"]


def test_it_says_whether_something_waits() -> None:
    waiting = turns("a1")
    assert waiting
    waiting.take()
    assert (bool(waiting), waiting.take()) == (False, None)


def test_what_is_removed_is_not_taken() -> None:
    waiting = turns("a1", "a2", "b1", "c1", "c2")
    assert waiting.remove(lambda item: item in {"a1", "b1", "c2"}) == ["a1", "b1", "c2"]

    assert take_all(waiting) == ["a2", "c1"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_each_item_is_taken_once_and_in_the_order_of_its_lane(does: list[tuple[str, bool]]) -> None:
    waiting: Turns[str] = Turns()
    added: list[str] = []
    taken: list[str] = []
    for number, (lane, is_taken) in enumerate(does):
        added.append(f"{lane}{number}")
        waiting.add(lane, added[-1])
        if is_taken and (item := waiting.take()):
            taken.append(item)
    taken += take_all(waiting)

    for lane in "abc":
        assert [item for item in taken if item[0] == lane] == [item for item in added if item[0] == lane]
