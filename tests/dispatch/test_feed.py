"""The feed while others publish: whatever is committed is given once, in one order, and nothing is passed over."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from dispatch import feed
from dispatch.models import Event
from dispatch.publish import publish_event
from subscriptions.models import Subscriber
from tests.dispatch.feeding import wait_until_shown
from tests.factories import EndpointFactory, SubscriberFactory

pytestmark = pytest.mark.django_db(transaction=True)


class RolledBack(Exception):
    pass


def publish(subscriber: Subscriber | None = None, event_type: str = "invoice.paid") -> str:
    return publish_event(event_type, {}, subscriber=subscriber).event.id


def ids_of(page: feed.Page) -> list[str]:
    return [event.id for event in page.events]


def read_all(subscriber: Subscriber, after: feed.Place, limit: int = 3) -> tuple[list[str], feed.Place]:
    found: list[str] = []
    while (page := feed.read(subscriber, after=after, limit=limit)).events:
        found += ids_of(page)
        after = page.place
    return found, after


@pytest.fixture
def open_transaction() -> Iterator[Callable[[], Callable[[], str]]]:
    """Give transactions that publish an event, each in a thread of its own, and end when they are told to."""
    threads = []

    def begin(subscriber: Subscriber) -> Callable[[], str]:
        has_published, may_end, published = threading.Event(), threading.Event(), list[str]()

        def run() -> None:
            with transaction.atomic():
                published.append(publish(subscriber))
                has_published.set()
                may_end.wait(20)
            connection.close()

        thread = threading.Thread(target=run)
        threads.append((thread, may_end))
        thread.start()
        assert has_published.wait(20)

        def end() -> str:
            may_end.set()
            thread.join()
            return published[0]

        return end

    yield begin
    for thread, may_end in threads:
        may_end.set()
        thread.join()


def test_it_has_what_is_for_the_subscriber_and_for_all_oldest_first():
    acme, other = SubscriberFactory(), SubscriberFactory()
    EndpointFactory(subscriber=acme)
    wanted = [publish(acme), publish(), publish(acme)]
    wait_until_shown(publish(other))

    assert read_all(acme, feed.BEGINNING)[0] == wanted
    page = feed.read(acme, limit=2)
    assert (ids_of(page), page.has_more) == (wanted[:2], True)
    page = feed.read(acme, after=page.place, limit=2)
    assert (ids_of(page), page.has_more) == (wanted[2:], False)
    # Who has read all asks again from where he was.
    assert feed.read(acme, after=page.place, limit=2) == feed.Page([], page.place, False)


def test_one_type_is_found_among_many_and_what_was_passed_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed, "_LOOKED_AT", 3)
    acme = SubscriberFactory()
    for _ in range(4):
        publish(acme, "order.created")
    paid = publish(acme)
    wait_until_shown(paid)

    page = feed.read(acme, limit=2, event_type="invoice.paid")
    assert (page.events, page.has_more) == ([], True)
    page = feed.read(acme, after=page.place, limit=2, event_type="invoice.paid")
    assert (ids_of(page), page.has_more) == ([paid], False)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer at a time")
def test_what_commits_late_is_not_passed_over(open_transaction: Callable[[Subscriber], Callable[[], str]]):
    acme = SubscriberFactory()
    first = publish(acme)
    wait_until_shown(first)
    end_early, end_late = open_transaction(acme), open_transaction(acme)
    # Committed already, but a transaction that began before it has not ended.
    between = publish(acme)
    seen, place = read_all(acme, feed.BEGINNING)
    assert seen == [first]

    late = end_late()
    assert read_all(acme, place) == ([], place)

    early = end_early()
    wait_until_shown(between)
    seen, place = read_all(acme, place)
    assert seen == [early, late, between]
    last = publish(acme)
    wait_until_shown(last)
    assert read_all(acme, place)[0] == [last]


def test_nothing_is_skipped_or_repeated_while_many_publish_and_some_roll_back():
    acme = SubscriberFactory()
    published: list[str] = []
    is_over = threading.Event()

    def publish_some(number: int) -> None:
        for each in range(15):
            try:
                with transaction.atomic():
                    event = publish(acme)
                    if (each + number) % 4 == 0:
                        raise RolledBack
                published.append(event)
            except RolledBack:
                pass
        connection.close()

    def follow() -> list[str]:
        found: list[str] = []
        place = feed.BEGINNING
        while True:
            is_last_time = is_over.is_set()
            more, place = read_all(acme, place, limit=2)
            found += more
            if is_last_time:
                connection.close()
                return found

    with ThreadPoolExecutor(5) as threads:
        following = threads.submit(follow)
        for done in [threads.submit(publish_some, number) for number in range(4)]:
            done.result()
        wait_until_shown(Event.objects.latest("feed_position").pk)
        is_over.set()
        seen = following.result()

    assert len(seen) == len(set(seen)) == Event.objects.count()
    assert set(seen) == set(published)
    # Whoever reads it later sees it in the same order.
    assert read_all(acme, feed.BEGINNING)[0] == seen
