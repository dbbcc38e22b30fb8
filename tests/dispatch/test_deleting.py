"""What becomes of the deliveries of endpoints and subscribers that are deleted."""

import pytest
from redis import Redis

from dispatch import emptying, outbox, tasks
from dispatch.lanes import Lanes
from dispatch.models import Delivery
from dispatch.publish import PublishRefused, publish_event
from dispatch.sweep import sweep
from subscriptions import ids
from subscriptions.models import Endpoint
from tests.api_client import ApiClient
from tests.factories import NOON, AttemptFactory, DeliveryFactory, EndpointFactory, SubscriberFactory

pytestmark = pytest.mark.django_db(transaction=True)


def states(endpoint: Endpoint) -> list[tuple[str, str]]:
    return list(Delivery.objects.filter(endpoint=endpoint).order_by("id").values_list("status", "note"))


def test_what_is_pending_is_cancelled_in_the_background(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.outbox._CANCELLED_AT_ONCE", 2)
    endpoint, other = EndpointFactory(), EndpointFactory()
    for _ in range(5):
        publish_event("invoice.paid", {})

    endpoint.remove(now=NOON)
    # The request that deletes waits for none of it.
    assert states(endpoint) == [("pending", "")] * 5
    assert redis.llen("housekeeping") == 1
    tasks.empty_deleted_endpoints(unknown="of a newer version")
    assert states(endpoint) == [("cancelled", "The endpoint was deleted.")] * 5
    assert states(other) == [("pending", "")] * 5
    assert not emptying.is_due()


def test_who_goes_on_finds_where_another_was_killed(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.outbox._CANCELLED_AT_ONCE", 2)
    endpoint = EndpointFactory()
    for _ in range(5):
        publish_event("invoice.paid", {})
    endpoint.remove(now=NOON)
    outbox.cancel_pending(ids.decode("ep", endpoint.id), note=emptying.NOTE, now=NOON)
    redis.flushdb()

    sweep(Lanes(redis), NOON)
    assert redis.llen("housekeeping") == 1
    emptying.empty_all(NOON)
    assert states(endpoint) == [("cancelled", "The endpoint was deleted.")] * 5
    redis.flushdb()
    sweep(Lanes(redis), NOON)
    assert redis.llen("housekeeping") == 0


def test_nothing_is_published_to_what_was_deleted(redis: Redis) -> None:
    subscriber = SubscriberFactory(uid="acme")
    endpoint = EndpointFactory(subscriber=subscriber)
    subscriber.remove(now=NOON)
    publish_event("invoice.paid", {})
    publish_event("invoice.paid", {}, subscriber=subscriber)
    for text in ("acme", subscriber.id):
        with pytest.raises(PublishRefused, match="There is no subscriber"):
            publish_event("invoice.paid", {}, subscriber=text)
    assert states(endpoint) == []


def test_what_comes_after_all_was_cancelled_is_cancelled_by_a_sweep(redis: Redis) -> None:
    endpoint = EndpointFactory()
    endpoint.remove(now=NOON)
    emptying.empty_all(NOON)
    DeliveryFactory(endpoint=endpoint)
    sweep(Lanes(redis), NOON)
    assert states(endpoint) == [("cancelled", "The endpoint was deleted.")]


def test_the_log_stays_readable(redis: Redis) -> None:
    subscriber = SubscriberFactory(uid="acme")
    endpoint = EndpointFactory(subscriber=subscriber)
    event = publish_event("invoice.paid", {}, subscriber=subscriber).event
    delivery = Delivery.objects.get()
    AttemptFactory(delivery=delivery)
    api = ApiClient.with_new_key()
    before = api.get(f"deliveries/{delivery.id}/").json()

    assert api.send("DELETE", "subscribers/acme/", "").status_code == 204
    assert api.get(f"deliveries/{delivery.id}/").json() == before
    assert (before["endpoint"], before["subscriber"]) == (endpoint.id, subscriber.id)
    for query in ({"endpoint": endpoint.id}, {"subscriber": subscriber.id}, {"event": event.id}):
        assert [row["id"] for row in api.get("deliveries/", **query).json()["results"]] == [delivery.id]
    assert api.get("events/", subscriber=subscriber.id).json()["results"][0]["subscriber"] == subscriber.id
    assert api.get("deliveries/", subscriber="acme").status_code == 400
