"""Ordered endpoints, by the statements that claim."""

import random
import uuid
from datetime import timedelta
from typing import Any

import pytest

from dispatch import outbox
from dispatch.models import Delivery
from dispatch.outbox import InLine
from dispatch.publish import publish_event
from dispatch.recording import record_lost
from dispatch.states import DeliveryStatus, Outcome
from subscriptions import ids
from subscriptions.models import Endpoint
from tests.factories import NOON, EndpointFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def endpoint() -> Endpoint:
    return EndpointFactory(ordered=True)


def publish(*keys: str | None, now: Any = NOON) -> list[Delivery]:
    events = [publish_event("invoice.paid", {}, ordering_key=key, now=now).event for key in keys]
    return [Delivery.objects.get(event=event) for event in events]


def claim(endpoint: Endpoint, room: int = 10, **options: Any) -> InLine:
    return outbox.claim_in_order(
        ids.decode("ep", endpoint.id),
        room,
        **{
            "beyond": None,
            "skips_failed": False,
            "now": LATER,
            "expires_at": LATER + timedelta(minutes=1),
            "worker": "me",
            **options,
        },
    )


def names(found: InLine) -> list[str]:
    return sorted(ids.encode("dlv", each.delivery_id) for each in found.claims)


def end(found: InLine, status: DeliveryStatus, *, retry_at: Any = None) -> None:
    ended = [record_lost(each, claimed_at=LATER, now=LATER, worker="me") for each in found.claims]
    outbox.finish([each._replace(status=status, next_attempt_at=retry_at, outcome=Outcome.SUCCESS) for each in ended])


def test_only_the_first_is_claimed_and_the_next_after_it_was_delivered(endpoint: Endpoint) -> None:
    first, second, third = publish(None, None, None)
    one = claim(endpoint)
    assert (names(one), one.next_due) == ([first.id], None)
    assert names(claim(endpoint)) == []

    end(one, DeliveryStatus.DELIVERED)
    two = claim(endpoint)
    assert names(two) == [second.id]
    outbox.unclaim(two.claims, now=LATER)
    assert names(claim(endpoint)) == [second.id]
    assert third.status == "pending"


def test_the_others_wait_while_the_first_waits_for_its_retry(endpoint: Endpoint) -> None:
    first, _second = publish(None, None)
    retry_at = LATER + timedelta(minutes=5)
    end(claim(endpoint), DeliveryStatus.PENDING, retry_at=retry_at)

    assert claim(endpoint) == InLine([], retry_at, None)
    assert names(claim(endpoint, now=retry_at)) == [first.id]


def test_keys_go_beside_each_other(endpoint: Endpoint) -> None:
    a, _, b, c = publish("a", "a", "b", None)
    assert names(claim(endpoint)) == sorted([a.id, b.id, c.id])


def test_there_is_no_more_than_room_and_the_next_look_goes_on_from_there(endpoint: Endpoint) -> None:
    deliveries = publish(*"abcde")
    first = claim(endpoint, 2)
    assert (names(first), first.last_line) == ([each.id for each in deliveries[:2]], "b")
    assert names(claim(endpoint, 2, beyond="b")) == [each.id for each in deliveries[2:4]]


def test_many_lines_are_looked_through_some_at_a_time(endpoint: Endpoint) -> None:
    publish(*[f"{number:03}" for number in range(130)])
    first = claim(endpoint, 200)
    assert (len(first.claims), first.last_line) == (100, "099")
    second = claim(endpoint, 200, beyond="099")
    assert (len(second.claims), second.last_line) == (30, None)


def test_one_that_failed_stops_the_others_or_is_skipped(endpoint: Endpoint) -> None:
    _first, second = publish(None, None)
    end(claim(endpoint), DeliveryStatus.FAILED)

    assert claim(endpoint) == InLine([], None, None)
    assert names(claim(endpoint, skips_failed=True)) == [second.id]


def test_one_that_was_cancelled_keeps_nobody_waiting(endpoint: Endpoint) -> None:
    first, second = publish(None, None)
    Delivery.objects.filter(id=first.id).update(status="cancelled", next_attempt_at=None)
    assert names(claim(endpoint)) == [second.id]


def test_one_that_failed_and_is_to_be_sent_again_goes_first(endpoint: Endpoint) -> None:
    first, _second = publish(None, None)
    end(claim(endpoint), DeliveryStatus.FAILED)
    Delivery.objects.filter(id=first.id).update(status="pending", next_attempt_at=NOON)
    assert names(claim(endpoint)) == [first.id]


def test_events_of_one_moment_keep_their_order(endpoint: Endpoint) -> None:
    published = publish(*[None] * 20)
    for delivery in published:
        found = claim(endpoint)
        assert names(found) == [delivery.id]
        end(found, DeliveryStatus.DELIVERED)


def test_others_do_not_claim_what_stands_in_line(endpoint: Endpoint) -> None:
    publish(None, "a")
    claimed = outbox.claim({ids.decode("ep", endpoint.id): 10}, now=LATER, lease=60, worker="me")
    assert (claimed.claims, claimed.next_due) == ([], {ids.decode("ep", endpoint.id): None})


def test_whatever_happens_nobody_overtakes(endpoint: Endpoint) -> None:
    chance = random.Random(7)  # noqa: S311 - the same each time
    keys = chance.choices([None, "a", "b"], k=40)
    key_of = {delivery.id: key for delivery, key in zip(publish(*keys), keys, strict=True)}
    waiting = {key: [each for each in key_of if key_of[each] == key] for key in key_of.values()}
    while any(waiting.values()):
        for each in claim(endpoint, chance.randint(1, 3)).claims:
            delivery_id = ids.encode("dlv", each.delivery_id)
            line = waiting[key_of[delivery_id]]
            assert delivery_id == line[0]
            if chance.random() < 0.5:
                line.pop(0)
                end(InLine([each], None, None), DeliveryStatus.DELIVERED)
            else:
                end(InLine([each], None, None), DeliveryStatus.PENDING, retry_at=NOON)

    assert not Delivery.objects.exclude(status="delivered", line=None).exists()


class TestLanesWithLines:
    def lane(self) -> Any:
        [lane] = outbox.lined_lanes(uuid.UUID(int=0))
        return lane

    def test_are_due_when_the_first_of_their_only_line_is(self, endpoint: Endpoint) -> None:
        publish(None, None)
        lane = self.lane()
        assert (lane.endpoint_id, lane.next_due, lane.is_due) == (ids.decode("ep", endpoint.id), NOON, False)

    def test_are_not_due_while_it_is_being_sent_or_keeps_them_waiting(self, endpoint: Endpoint) -> None:
        publish(None, None)
        found = claim(endpoint)
        assert (self.lane().next_due, self.lane().is_due) == (None, False)
        end(found, DeliveryStatus.FAILED)
        assert (self.lane().next_due, self.lane().is_due) == (None, False)
        Endpoint.objects.update(when_head_fails="skip")
        assert self.lane().is_due

    def test_with_several_are_looked_at(self, endpoint: Endpoint) -> None:
        publish("a", "b")
        assert self.lane().is_due

    def test_that_are_not_ordered_any_more_are_told(self, endpoint: Endpoint) -> None:
        publish(None)
        Endpoint.objects.update(ordered=False)
        assert self.lane().is_out_of_line


def test_without_order_nothing_stands_in_line() -> None:
    EndpointFactory()
    [delivery] = publish("a")
    assert delivery.line is None
