"""Which endpoints get an event that names channels, on a real database."""

from dataclasses import replace

import pytest
from pytest_django import Settings

from dispatch.fan_out import finish_all
from dispatch.models import Delivery, Event
from dispatch.publish import IdempotencyConflict, PublishRefused, Wanted, publish_event, publish_events
from subscriptions.models import EndpointState, Subscriber
from tests.factories import EndpointFactory, SubscriberFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["one", "all"])
def to(request: pytest.FixtureRequest) -> Subscriber | None:
    """Give whom an event is for: one subscriber, or all."""
    return SubscriberFactory() if request.param == "one" else None


def receivers_of(event: Event) -> set[str]:
    return {delivery.endpoint_id for delivery in event.deliveries.all()}


@pytest.mark.parametrize(
    ("channels", "receivers"),
    [
        ((), {"any"}),
        (["a"], {"any", "a", "a or b"}),
        (["b", "c"], {"any", "a or b"}),
        (["d"], {"any"}),
    ],
)
def test_endpoints_with_channels_get_what_names_one_of_them(
    to: Subscriber | None, channels: list[str], receivers: set[str]
) -> None:
    subscriber = to or SubscriberFactory()
    named = {"any": [], "a": ["a"], "a or b": ["a", "b"]}
    endpoints = {
        name: EndpointFactory(subscriber=subscriber, channels=given, event_types=["invoice.*", "*"])
        for name, given in named.items()
    }
    EndpointFactory(subscriber=subscriber, channels=["a", "b", "c", "d"], event_types=["order.created"])

    event = publish_event("invoice.paid", {}, subscriber=to, channels=channels).event
    assert receivers_of(event) == {endpoints[name].id for name in receivers}
    event.refresh_from_db()
    assert event.channels == list(channels)


def test_many_events_at_once_go_by_their_own_channels(to: Subscriber | None) -> None:
    first, second = (EndpointFactory(channels=[name], **({"subscriber": to} if to else {})) for name in ("a", "b"))
    wanted = [Wanted("invoice.paid", {}, to, channels=channels) for channels in (["a"], ["b"], ["b", "a"], ())]

    published = publish_events(wanted)
    expected: list[set[str]] = [{first.id}, {second.id}, {first.id, second.id}, set()]
    assert [receivers_of(each.event) for each in published if not isinstance(each, PublishRefused)] == expected


def test_an_event_that_many_want_goes_on_by_its_channels(
    to: Subscriber | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.outbox.FANNED_OUT_AT_ONCE", 2)
    subscriber = to or SubscriberFactory()
    given = [["a"], ["b"], ["b"], ["b"], ["b"], ["a"], [], ["b"]]
    endpoints = [EndpointFactory(subscriber=subscriber, channels=channels) for channels in given]

    event = publish_event("invoice.paid", {}, subscriber=to, channels=["a"]).event
    assert receivers_of(event) == {endpoints[0].id}
    finish_all()
    assert receivers_of(event) == {endpoints[0].id, endpoints[5].id, endpoints[6].id}
    event.refresh_from_db()
    assert event.fan_out_after is None


def test_a_disabled_endpoint_with_another_channel_has_nothing_cancelled() -> None:
    EndpointFactory(channels=["b"], state=EndpointState.DISABLED)
    publish_event("invoice.paid", {}, channels=["a"])
    assert not Delivery.objects.exists()


def test_channels_are_kept_in_order_and_belong_to_what_a_key_stands_for() -> None:
    first = publish_event("invoice.paid", {}, channels=["b", "a", "b"], idempotency_key="one")
    assert first.event.channels == ["a", "b"]
    assert not publish_event("invoice.paid", {}, channels=["a", "b"], idempotency_key="one").created
    with pytest.raises(IdempotencyConflict):
        publish_event("invoice.paid", {}, channels=["a"], idempotency_key="one")


def test_wrong_channels_are_refused(settings: Settings) -> None:
    settings.WEBHOOKS = replace(settings.WEBHOOKS, channels=2)
    for given, message in [
        (["a b"], "'a b' is not a channel: write letters, digits and . _ : -, at most 128 characters."),
        (["a", "b", "c"], "3 channels are too many: name at most 2."),
        ("abc", "Write a list of channels."),
    ]:
        with pytest.raises(PublishRefused) as refused:
            publish_event("invoice.paid", {}, channels=given)
        assert (refused.value.field, str(refused.value)) == ("channels", message)
    assert not Event.objects.exists()
