"""Why was an event sent to an endpoint, or why not? The same answer over API, command and admin."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dispatch.models import Delivery, EndpointHealth, Event
from dispatch.publish import publish_event
from dispatch.waiting import Reason
from dispatch.why import Code, why
from subscriptions.models import Endpoint, EndpointState, Scope
from tests.admin_pages import page, text_of
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.factories import NOON, AttemptFactory, DeliveryFactory, EndpointFactory, EventFactory, SubscriberFactory

pytestmark = pytest.mark.django_db

ABSENT = "06asqfjqg1tbp3ff04hkaps9lc"
SECOND = timedelta(seconds=1)


def answer(event: Event, endpoint: Endpoint) -> tuple[Code | Reason, str]:
    found = why(event, endpoint, now=NOON + SECOND)
    return found.code, found.sentence


def delivery(**fields: Any) -> Delivery:
    return DeliveryFactory(**({"next_attempt_at": None} if "status" in fields else {}) | fields)


def of(row: Delivery) -> tuple[Code | Reason, str]:
    return answer(row.event, row.endpoint)


class TestWithoutADelivery:
    def test_the_event_is_for_another_subscriber(self) -> None:
        endpoint, other = EndpointFactory(), SubscriberFactory()
        event = publish_event("invoice.paid", {}, subscriber=other).event
        assert answer(event, endpoint) == (
            Code.OTHER_SUBSCRIBER,
            f"The event is for another subscriber, {other.id}.",
        )

    def test_the_endpoint_is_newer_than_the_event(self) -> None:
        event, endpoint = EventFactory(), EndpointFactory()
        assert answer(event, endpoint) == (
            Code.ENDPOINT_IS_NEWER,
            f"The endpoint was created on {endpoint.created_at:%Y-%m-%d %H:%M:%S} UTC, after the event.",
        )

    def test_the_endpoint_does_not_want_the_type(self) -> None:
        endpoint = EndpointFactory(event_types=["invoice.*", "order.created"])
        event = publish_event("order.paid", {}).event
        assert answer(event, endpoint) == (
            Code.NOT_MATCHING,
            "The endpoint does not want order.paid: its event types are invoice.*, order.created.",
        )

    def test_the_endpoint_wants_the_type_only_since_then(self) -> None:
        endpoint = EndpointFactory(event_types=["invoice.*"])
        event = publish_event("order.paid", {}).event
        endpoint.set_event_types(["*"])
        assert answer(event, endpoint) == (
            Code.WANTED_SINCE,
            "The endpoint wants order.paid now, but did not when the event was published.",
        )

    def test_the_delivery_is_still_to_be_created(self) -> None:
        endpoint = EndpointFactory(event_types=["invoice.*"])
        event = publish_event("order.paid", {}).event
        endpoint.set_event_types(["*"])
        event.fan_out_after = "01a209d6-4930-76e4-b69a-35c7a74379c9"
        assert answer(event, endpoint)[0] is Code.NOT_YET_CREATED


class TestWithADelivery:
    def test_it_waits_for_its_turn(self) -> None:
        assert of(delivery()) == (
            Reason.TURN,
            "It waits. It is due, and goes as soon as its endpoint's limits and the workers have room.",
        )
        subscriber = SubscriberFactory(rate_limit=600, rate_period="minute")
        limited = EndpointFactory(subscriber=subscriber, max_in_flight=3)
        assert of(delivery(endpoint=limited))[1].endswith(
            " Its endpoint gets at most 600 requests a minute and at most 3 at a time."
        )

    def test_it_waits_for_a_retry(self) -> None:
        row = delivery(next_attempt_at=NOON + 300 * SECOND, attempt_count=2)
        AttemptFactory(delivery=row, number=1, outcome="timeout", status_code=None, error="No answer within 15 s.")
        AttemptFactory(delivery=row, number=2, outcome="http_error", status_code=500, error="")
        assert of(row) == (
            Reason.SCHEDULED,
            "It waits until 2026-03-01 12:05:00 UTC. Its next attempt is due then. "
            "Attempt 2 has failed. The receiver answered 500.",
        )

    @pytest.mark.parametrize("state", ["paused", "unverified", "disabled"])
    def test_it_waits_for_its_endpoint(self, state: str) -> None:
        endpoint = EndpointFactory(
            state=state, must_verify=state == "unverified", state_reason="Too slow.", state_changed_at=NOON
        )
        found, sentence = of(delivery(endpoint=endpoint))
        assert found == state
        assert sentence.endswith(" Too slow. That is so since 2026-03-01 12:00:00 UTC.")

    def test_it_waits_behind_another_of_its_line(self) -> None:
        endpoint = EndpointFactory(ordered=True)
        first, second = (DeliveryFactory(endpoint=endpoint, line="order-7") for _ in range(2))
        DeliveryFactory(endpoint=endpoint, line="order-8")
        assert of(first)[0] is Reason.TURN
        assert of(second) == (Reason.IN_LINE, f"It waits. The endpoint is ordered, and {first.id} goes first.")
        Delivery.objects.filter(pk=first.pk).update(status="failed", next_attempt_at=None, finished_at=NOON)
        assert of(second)[0] is Reason.BLOCKED
        assert why(second.event, endpoint, now=NOON).facts["blocked_by"] == first.id

    @pytest.mark.parametrize("because", ["breaker", "retry_after"])
    def test_its_endpoint_rests(self, because: str) -> None:
        row = delivery()
        EndpointHealth.objects.create(
            endpoint=row.endpoint, noted_at=NOON, closed_until=NOON + 60 * SECOND, closed_because=because
        )
        found, sentence = of(row)
        assert found == because
        assert sentence.startswith("It waits until 2026-03-01 12:01:00 UTC. ")

    def test_it_is_under_way(self) -> None:
        lease = {"claim_token": ABSENT_TOKEN, "claimed_at": NOON, "lease_expires_at": NOON}
        assert of(delivery(status="sending", attempt_count=1, **lease)) == (
            Code.UNDER_WAY,
            "It is being sent since 2026-03-01 12:00:00 UTC, attempt 1.",
        )

    def test_it_was_delivered(self) -> None:
        assert of(delivery(status="delivered", attempt_count=2, finished_at=NOON)) == (
            Code.DELIVERED,
            "It was delivered on 2026-03-01 12:00:00 UTC, by attempt 2.",
        )

    def test_it_has_failed(self) -> None:
        row = delivery(status="failed", attempt_count=1, finished_at=NOON)
        AttemptFactory(delivery=row, outcome="timeout", status_code=None, error="No answer within 15 s.")
        assert of(row) == (
            Code.FAILED,
            "It has failed for good on 2026-03-01 12:00:00 UTC, after one attempt. No answer within 15 s.",
        )

    def test_it_was_skipped_as_its_endpoint_was_disabled(self) -> None:
        endpoint = EndpointFactory()
        endpoint.change_state(EndpointState.DISABLED, reason="", now=timezone.now())
        code, sentence = answer(publish_event("invoice.paid", {}).event, endpoint)
        assert code is Code.CANCELLED
        assert sentence.endswith(": The endpoint was disabled when the event was published.")


ABSENT_TOKEN = "01a209d6-4930-76e4-b69a-35c7a74379c9"


class TestApi:
    @pytest.fixture
    def api(self) -> ApiClient:
        return ApiClient.with_new_key()

    def test_it_answers_with_code_sentence_and_facts(self, api: ApiClient) -> None:
        row = delivery(next_attempt_at=timezone.now() + timedelta(days=1), attempt_count=1)
        AttemptFactory(delivery=row, outcome="http_error", status_code=500)
        shown = api.get(f"events/{row.event_id}/why/", endpoint=row.endpoint_id).json()
        assert {name: shown[name] for name in ("event", "endpoint", "delivery", "code", "facts")} == {
            "event": row.event_id,
            "endpoint": row.endpoint_id,
            "delivery": row.id,
            "code": "scheduled",
            "facts": {
                "due_at": row.next_attempt_at.isoformat().replace("+00:00", "Z"),
                "attempts": 1,
                "last_outcome": "http_error",
                "last_status_code": 500,
                "last_error": "",
                "until": row.next_attempt_at.isoformat().replace("+00:00", "Z"),
            },
        }
        assert " UTC. Its next attempt is due then." in shown["sentence"]

    def test_without_a_delivery_too(self, api: ApiClient) -> None:
        endpoint = EndpointFactory(event_types=["order.*"])
        event = publish_event("invoice.paid", {}).event
        shown = api.get(f"events/{event.id}/why/", endpoint=endpoint.id).json()
        assert (shown["delivery"], shown["code"]) == (None, "not_matching")
        assert shown["facts"] == {"event_type": "invoice.paid", "event_types": ["order.*"]}

    def test_what_is_not_there_is_said(self, api: ApiClient) -> None:
        event, endpoint = EventFactory(), EndpointFactory()
        absent = f"evt_{ABSENT}"
        assert_problem(
            api.get(f"events/{absent}/why/", endpoint=endpoint.id),
            404,
            "Not Found",
            f"There is no event {absent!r}.",
            {},
        )
        address = f"events/{event.id}/why/"
        assert_refused(api.get(address), "endpoint", "This field is required.")
        assert_refused(api.get(address, endpoint="x"), "endpoint", "'x' is not an id that starts with ep_.")
        absent = f"ep_{ABSENT}"
        assert_refused(api.get(address, endpoint=absent), "endpoint", f"There is no endpoint {absent!r}.")


class TestOfASubscriber:
    """A subscriber's key learns of its own endpoints, and of events that are for it or for all."""

    @pytest.fixture
    def endpoint(self) -> Endpoint:
        return EndpointFactory(event_types=["order.*"])

    @pytest.fixture
    def api(self, endpoint: Endpoint) -> ApiClient:
        return ApiClient.with_new_key(Scope.SUBSCRIBER, endpoint.subscriber)

    def test_of_an_event_for_all_it_learns_what_became_of_it_here(self, api: ApiClient, endpoint: Endpoint) -> None:
        others = EndpointFactory()
        event = publish_event("invoice.paid", {}).event
        address = f"events/{event.id}/why/"
        shown = api.get(address, endpoint=endpoint.id).json()
        assert (shown["code"], shown["delivery"]) == ("not_matching", None)
        assert_refused(api.get(address, endpoint=others.id), "endpoint", f"There is no endpoint {others.id!r}.")

    def test_of_an_event_for_another_one_it_learns_nothing(self, api: ApiClient, endpoint: Endpoint) -> None:
        event = publish_event("order.paid", {}, subscriber=SubscriberFactory()).event
        expected = (404, "Not Found", f"There is no event {event.id!r}.", {})
        assert_problem(api.get(f"events/{event.id}/why/", endpoint=endpoint.id), *expected)
        assert_problem(api.get(f"events/{event.id}/why/"), *expected)


class TestCommand:
    def test_it_prints_code_sentence_and_facts(self) -> None:
        endpoint = EndpointFactory(event_types=["order.*", "user.*"])
        event = publish_event("invoice.paid", {}).event
        output = StringIO()
        call_command("why", event.id, endpoint.id, stdout=output)
        assert output.getvalue() == (
            "not_matching: The endpoint does not want invoice.paid: its event types are order.*, user.*.\n"
            "  event_type: invoice.paid\n"
            "  event_types: order.*, user.*\n"
        )

    def test_it_names_the_delivery(self) -> None:
        row = delivery(status="delivered", attempt_count=1, finished_at=NOON)
        output = StringIO()
        call_command("why", row.event_id, row.endpoint_id, stdout=output)
        assert f"\n  delivery: {row.id}\n" in output.getvalue()

    @pytest.mark.parametrize("text", ["nothing", f"evt_{ABSENT}"])
    def test_what_is_not_there_is_said(self, text: str) -> None:
        with pytest.raises(CommandError, match=f"There is no event '{text}'."):
            call_command("why", text, EndpointFactory().id)


class TestAdmin:
    def test_a_deliverys_page_says_why(self, admin_client: Client) -> None:
        row = delivery(status="cancelled", finished_at=NOON, note="The endpoint is disabled.")
        text = "It was cancelled on 2026-03-01 12:00:00 UTC: The endpoint is disabled."
        assert text in text_of(admin_client.get(page(row)))

    def test_from_an_events_page_it_is_asked_for_any_endpoint(self, admin_client: Client) -> None:
        event, endpoint = publish_event("invoice.paid", {}).event, EndpointFactory(event_types=["order.*"])
        Endpoint.objects.update(created_at=NOON)
        address = page(event, "why")
        assert address in text_of(admin_client.get(page(event)))
        assert "Id of the endpoint" in text_of(admin_client.get(address))
        shown = text_of(admin_client.get(address, {"endpoint": endpoint.id}))
        assert "The endpoint does not want invoice.paid: its event types are order.*." in shown
        assert "There is no endpoint" in text_of(admin_client.get(address, {"endpoint": "x"}))

    def test_it_leads_to_the_delivery(self, admin_client: Client) -> None:
        row = delivery()
        shown = text_of(admin_client.get(page(row.event, "why"), {"endpoint": row.endpoint_id}))
        assert page(row) in shown

    def test_only_who_may_see_events_may_ask(self, client: Client, django_user_model: Any) -> None:
        client.force_login(django_user_model.objects.create_user("bob", is_staff=True))
        assert client.get(page(EventFactory(), "why")).status_code == 403
        assert admin_is_asked_for_login(page(EventFactory(), "why"))


def admin_is_asked_for_login(address: str) -> bool:
    return Client().get(address)["Location"].startswith(reverse("admin:login"))
