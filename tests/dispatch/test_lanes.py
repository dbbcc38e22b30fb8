"""Lanes, on a real Redis protocol server. Time passes by delays of 0 and by leases of 0."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from redis import Redis

from dispatch.lanes import Closed, Lane, Lanes
from tests.waiting import wait_for

ONE, TWO, THREE = (uuid.UUID(int=number) for number in (1, 2, 3))
SOON = 3600.0
A_MOMENT = 0.01


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    with Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield Lanes(client)
        client.flushdb()


def taken(lanes: Lanes, owner: str = "me", limit: int = 10) -> list[Lane]:
    return lanes.take(owner, limit=limit, lease=SOON).lanes


def test_a_rung_lane_is_taken_once(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})

    assert taken(lanes, "me") == [ONE]
    assert taken(lanes, "another") == []


def test_lanes_are_taken_in_the_order_in_which_they_became_due(lanes: Lanes) -> None:
    for lane in (TWO, THREE, ONE):
        lanes.ring({lane: 0})
        # The clock of lanes has milliseconds: see the next one begin.
        now = lanes._client.time()
        while lanes._client.time()[1] // 1000 == now[1] // 1000:
            pass

    first = lanes.take("me", limit=2, lease=SOON)
    assert (first.lanes, first.waiting) == ([TWO, THREE], 1)
    assert taken(lanes) == [ONE]


def test_a_lane_with_a_delay_waits_for_it(lanes: Lanes) -> None:
    lanes.ring({ONE: SOON})

    assert (taken(lanes), lanes.count_waiting()) == ([], 0)


def test_ringing_never_puts_off_what_is_due_earlier(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})
    lanes.ring({ONE: SOON})

    assert taken(lanes) == [ONE]


class TestAClosedLane:
    def test_is_not_served_by_ringing_until_it_opens(self, lanes: Lanes) -> None:
        lanes.note_closed({ONE: Closed("breaker", SOON)})
        lanes.ring({ONE: 0, TWO: 0}, anew=False)

        assert taken(lanes) == [TWO]

    def test_is_looked_at_where_that_is_asked_for(self, lanes: Lanes) -> None:
        lanes.note_closed({ONE: Closed("breaker", SOON)})
        lanes.ring({ONE: 0}, anew=False)
        lanes.ring({ONE: 0})

        assert (taken(lanes), lanes.why_closed(ONE)) == ([ONE], None)

    def test_is_told_to_its_owner_if_it_is_held(self, lanes: Lanes) -> None:
        lanes.ring({ONE: 0})
        taken(lanes)
        lanes.note_closed({ONE: Closed("rate_limit", SOON)})
        lanes.ring({ONE: 0}, anew=False)

        assert lanes.take("me", limit=1, lease=SOON).rung == [ONE]

    def test_is_served_by_ringing_once_it_has_opened(self, lanes: Lanes) -> None:
        lanes.note_closed({ONE: Closed("rate_limit", A_MOMENT)})
        wait_for(lambda: lanes.why_closed(ONE) == Closed("rate_limit", 0.0))
        lanes.ring({ONE: 0}, anew=False)

        assert taken(lanes) == [ONE]

    def test_says_why(self, lanes: Lanes) -> None:
        lanes.note_closed({ONE: Closed("breaker", SOON)})
        closed = lanes.why_closed(ONE)

        assert closed is not None
        assert closed.why == "breaker"
        assert SOON - 1 < closed.wait <= SOON
        assert lanes.why_closed(TWO) is None


def test_ringing_brings_forward_what_is_due_later(lanes: Lanes) -> None:
    lanes.ring({ONE: SOON})
    lanes.ring({ONE: 0})

    assert taken(lanes) == [ONE]


def test_a_released_lane_is_taken_after_its_delay(lanes: Lanes) -> None:
    lanes.ring({ONE: 0, TWO: 0, THREE: 0})
    taken(lanes)
    lanes.release("me", {ONE: 0, TWO: SOON, THREE: None})

    assert taken(lanes, "another") == [ONE]


def test_only_the_owner_releases(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})
    taken(lanes, "me")
    lanes.release("another", {ONE: 0})

    assert taken(lanes, "another") == []


def test_a_ring_while_a_lane_is_held_is_told_to_its_owner_once(lanes: Lanes) -> None:
    lanes.ring({ONE: 0, TWO: 0})
    taken(lanes, "me")
    lanes.ring({ONE: 0})

    assert lanes.take("another", limit=10, lease=SOON).rung == []
    assert lanes.take("me", limit=10, lease=SOON).rung == [ONE]
    assert lanes.take("me", limit=10, lease=SOON).rung == []


def test_a_ring_that_the_owner_has_not_heard_makes_the_released_lane_due(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})
    taken(lanes, "me")
    lanes.ring({ONE: 0})
    lanes.release("me", {ONE: None})

    assert taken(lanes, "another") == [ONE]


def test_the_owner_hears_of_lanes_that_it_does_not_know_of(lanes: Lanes) -> None:
    """The answer to `take` was lost: a ring tells the owner that the lane is its own."""
    lanes.ring({ONE: 0})
    taken(lanes, "me")
    lanes.ring({ONE: 0})

    unknown = lanes.take("me", limit=10, lease=SOON).rung
    lanes.release("me", dict.fromkeys(unknown, 0.0))
    assert taken(lanes, "another") == [ONE]


def test_a_lane_whose_lease_has_ended_waits_and_is_taken_by_another(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})
    assert lanes.take("killed", limit=10, lease=0).lanes == [ONE]
    lanes.ring({ONE: 0})

    assert lanes.count_waiting() == 1
    assert taken(lanes, "another") == [ONE]
    assert lanes.renew("killed", [ONE], lease=SOON) == [ONE]


def test_renewing_keeps_a_lane_and_names_those_that_are_lost(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})
    lanes.take("me", limit=10, lease=0)

    assert lanes.renew("me", [ONE, TWO], lease=SOON) == [TWO]
    assert (taken(lanes, "another"), lanes.count_waiting()) == ([], 0)


def test_an_emptied_redis_loses_the_owner_and_a_ring_brings_the_lane_back(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})
    taken(lanes, "me")
    lanes._client.flushdb()

    assert lanes.renew("me", [ONE], lease=SOON) == [ONE]
    lanes.ring({ONE: 0})
    assert taken(lanes, "another") == [ONE]


def test_a_pump_is_called_once_until_it_answers(lanes: Lanes) -> None:
    assert lanes.announce_call(SOON)
    assert not lanes.announce_call(SOON)
    lanes.answer_call()
    assert lanes.announce_call(SOON)


def test_an_overdue_sweep_is_told_to_one_only(lanes: Lanes) -> None:
    assert lanes.is_sweep_overdue(SOON)
    assert not lanes.is_sweep_overdue(SOON)


def test_a_noted_sweep_is_not_overdue(lanes: Lanes) -> None:
    lanes.note_sweep(SOON)
    assert not lanes.is_sweep_overdue(SOON)


def test_a_ring_says_whether_a_pump_attends(lanes: Lanes) -> None:
    assert lanes.ring({})
    assert not lanes.ring({ONE: 0})

    taken(lanes)
    assert lanes.ring({ONE: 0})
    assert lanes.ring({TWO: SOON})

    lanes.leave()
    assert not lanes.ring({ONE: 0})


def test_a_pump_that_takes_nothing_attends_all_the_same(lanes: Lanes) -> None:
    lanes.take("me", limit=0, lease=SOON)

    assert lanes.ring({ONE: 0})


def test_a_killed_pump_is_relied_upon_for_two_seconds_at_most(lanes: Lanes) -> None:
    taken(lanes)
    assert 0 < lanes._client.pttl("{webhooks}:attended") <= 2000

    lanes._client.pexpire("{webhooks}:attended", 1)
    wait_for(lambda: not lanes._client.exists("{webhooks}:attended"))
    assert not lanes.ring({ONE: 0})


def test_whoever_listens_hears_what_was_rung_before(lanes: Lanes) -> None:
    taken(lanes)
    lanes.ring({ONE: 0})
    lanes.ring({ONE: 0, TWO: 0})

    assert lanes.listen(SOON)
    # Once for all that was rung: it is looked for in the lanes.
    assert not lanes.listen(A_MOMENT)


def test_whoever_listens_hears_what_is_rung_meanwhile(lanes: Lanes) -> None:
    taken(lanes)
    with ThreadPoolExecutor() as listener:
        heard = listener.submit(lanes.listen, SOON)
        wait_for(lambda: lanes._client.info("clients")["blocked_clients"] == 1)
        assert not heard.done()
        lanes.ring({ONE: 0})

        assert heard.result(20)
    assert taken(lanes) == [ONE]


def test_one_of_many_who_listen_hears_a_ring(lanes: Lanes) -> None:
    taken(lanes)
    with ThreadPoolExecutor() as listeners:
        heard = [listeners.submit(lanes.listen, 5) for _ in range(2)]
        wait_for(lambda: lanes._client.info("clients")["blocked_clients"] == 2)
        lanes.ring({ONE: 0})
        wait_for(lambda: any(each.done() for each in heard))
        assert [each.done() for each in heard].count(True) == 1

        lanes.ring({ONE: 0})
        assert [each.result(20) for each in heard] == [True, True]


def test_nobody_is_told_of_rings_while_no_pump_attends(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})

    assert not lanes.listen(A_MOMENT)


def test_leaving_says_what_waits(lanes: Lanes) -> None:
    lanes.ring({ONE: 0})
    taken(lanes)
    assert lanes.leave() == 0

    lanes.ring({TWO: 0, THREE: SOON})
    assert lanes.leave() == 1
