"""What operators are told by events: once, with what happened, and nobody else."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from django.core.exceptions import ValidationError
from django.db import transaction
from pytest_django import DjangoAssertNumQueries, Settings

from dispatch.backlog import tell_of_backlog
from dispatch.exhausted import tell_of_exhausted
from dispatch.expiring import tell_of_expiring
from dispatch.models import Delivery, EndpointHealth, Event, Notice
from subscriptions import notices
from subscriptions.models import Endpoint, EndpointState, SigningSecret
from subscriptions.models.audit import Actor
from subscriptions.notices import Happened, NoticeKind
from tests.api_client import ApiClient, assert_refused
from tests.certificates_made import chain, issued, key
from tests.dispatch.operational_events import operators, told
from tests.factories import NOON, DeliveryFactory, EndpointFactory, SubscriberFactory

A_MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def exhausted(endpoint: Endpoint, **fields: Any) -> Delivery:
    values = {"status": "failed", "next_attempt_at": None, "attempt_count": 3, "last_outcome": "timeout"}
    return DeliveryFactory(endpoint=endpoint, finished_at=NOON, **(values | fields))


@pytest.mark.django_db
class TestWhoIsTold:
    def test_nobody_else_is_whatever_he_wants(self) -> None:
        own = operators()
        everything, named = EndpointFactory(), EndpointFactory(event_types=["operational.endpoint.disabled"])
        everything.change_state(EndpointState.DISABLED, reason="Too slow.", now=NOON)
        assert [delivery.endpoint for delivery in Delivery.objects.all()] == [own]
        named.change_state(EndpointState.DISABLED, reason="Too slow.", now=NOON)
        assert {delivery.endpoint for delivery in Delivery.objects.all()} == {own}

    def test_operators_choose_by_event_types(self) -> None:
        own = operators()
        own.set_event_types(["operational.delivery.*"])
        endpoint = EndpointFactory()
        endpoint.change_state(EndpointState.DISABLED, reason="Too slow.", now=NOON)
        exhausted(endpoint)
        tell_of_exhausted(NOON)
        assert [delivery.event.type for delivery in own.deliveries.all()] == ["operational.delivery.exhausted"]

    def test_without_operators_there_is_a_notice_and_no_event(self) -> None:
        EndpointFactory().change_state(EndpointState.DISABLED, reason="Too slow.", now=NOON)
        assert (Notice.objects.count(), Event.objects.count()) == (1, 0)

    @pytest.mark.parametrize("name", ["operational.endpoint.disabled", "operational.anything"])
    def test_nobody_else_publishes_such_events(self, name: str) -> None:
        message = "Types that begin with operational. are the dispatcher's own."
        assert_refused(ApiClient.with_new_key().post("events/", {"type": name, "data": {}}), "type", message)

    def test_their_types_need_not_be_created_first(self, settings: Settings) -> None:
        settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, enforce_event_types=True)
        operators()
        EndpointFactory().change_state(EndpointState.DISABLED, reason="Too slow.", now=NOON)
        assert len(told()) == 1


@pytest.mark.django_db
class TestStates:
    def test_disabled_and_enabled(self) -> None:
        operators()
        acme = SubscriberFactory(name="Acme", uid="acme")
        endpoint = EndpointFactory(
            subscriber=acme, url="https://receiver.example/hooks/s3cret?t=s3cret", description="Billing"
        )
        endpoint.change_state(EndpointState.DISABLED, reason="Disabled by ada.", now=NOON)
        endpoint.change_state(EndpointState.DISABLED, reason="Once more.", now=NOON)
        endpoint.change_state(EndpointState.ACTIVE, reason="", now=NOON + A_MINUTE)
        about = {
            "endpoint": {"id": endpoint.id, "url": "https://receiver.example/…", "description": "Billing"},
            "subscriber": {"id": acme.id, "uid": "acme", "name": "Acme"},
        }
        assert told() == [
            {
                "type": "operational.endpoint.disabled",
                "cause": "asked",
                "reason": "Disabled by ada.",
                "occurred_at": "2026-03-01T12:00:00Z",
                **about,
                "state_before": "active",
            },
            {
                "type": "operational.endpoint.enabled",
                "cause": "asked",
                "reason": "Somebody asked for it.",
                "occurred_at": "2026-03-01T12:01:00Z",
                **about,
                "disabled_since": "2026-03-01T12:00:00Z",
                "disabled_reason": "Once more.",
            },
        ]

    def test_pausing_is_nothing_to_be_told(self) -> None:
        endpoint = EndpointFactory()
        endpoint.change_state(EndpointState.PAUSED, reason="", now=NOON)
        endpoint.change_state(EndpointState.ACTIVE, reason="", now=NOON)
        assert Notice.objects.count() == 0

    def test_what_is_rolled_back_is_not_told(self) -> None:
        operators()
        with transaction.atomic():
            EndpointFactory().change_state(EndpointState.DISABLED, reason="", now=NOON)
            transaction.set_rollback(True)
        assert (Notice.objects.count(), Event.objects.count()) == (0, 0)

    def test_a_rotated_secret_is_told_without_the_secret(self) -> None:
        operators()
        endpoint = EndpointFactory()
        secret = SigningSecret.objects.rotate(endpoint, now=NOON, by=Actor("ada"))
        [said] = told()
        assert (said["type"], said["secret"]) == ("operational.endpoint.secret_rotated", secret.id)
        assert said["others_sign_until"] == "2026-03-02T12:00:00Z"
        assert secret.value not in json.dumps(said)
        with pytest.raises(ValidationError):
            SigningSecret.objects.rotate(endpoint, now=NOON, by=Actor("ada"), overlap=timedelta(days=8))
        assert len(told()) == 1

    def test_failing_and_recovered_are_told_in_turn(self) -> None:
        operators()
        endpoint = EndpointFactory()
        failing, recovered = NoticeKind.ENDPOINT_FAILING, NoticeKind.ENDPOINT_RECOVERED
        for kind, cause, minutes in [
            (recovered, "success", 0),
            (failing, "breaker", 1),
            (failing, "breaker", 59),
            (failing, "warning_50", 60),
            (recovered, "success", 61),
            (recovered, "success", 62),
            (failing, "breaker", 63),
            (failing, "breaker", 124),
        ]:
            notices.tell(Happened(kind, cause, "Because.", NOON + minutes * A_MINUTE, endpoint.id))
        assert [(said["type"].rpartition(".")[2], said["cause"], said["occurred_at"][11:16]) for said in told()] == [
            ("failing", "breaker", "12:01"),
            ("failing", "warning_50", "13:00"),
            ("recovered", "success", "13:01"),
            ("failing", "breaker", "13:03"),
            ("failing", "breaker", "14:04"),
        ]

    def test_one_that_was_enabled_begins_anew(self) -> None:
        operators()
        endpoint = EndpointFactory()
        failing = Happened(NoticeKind.ENDPOINT_FAILING, "breaker", "Because.", NOON, endpoint.id)
        notices.tell(failing)
        for state in (EndpointState.DISABLED, EndpointState.ACTIVE):
            endpoint.change_state(state, reason="", now=NOON)
        notices.tell(failing)
        assert [said["type"].rpartition(".")[2] for said in told()] == ["failing", "disabled", "enabled", "failing"]

    def test_of_an_endpoint_that_is_not_there_nothing_is_told(self) -> None:
        gone = "ep_06asqfjqg1tbp3ff04hkaps9lc"
        notices.tell(Happened(NoticeKind.ENDPOINT_FAILING, "breaker", "Because.", NOON, gone))
        assert Notice.objects.count() == 0


@pytest.mark.django_db
class TestExhausted:
    def test_all_of_an_endpoint_are_one_event(self) -> None:
        operators()
        one, other = EndpointFactory(), EndpointFactory()
        deliveries = [exhausted(one, last_outcome=outcome) for outcome in ("timeout", "http_error", "timeout")]
        exhausted(other)
        DeliveryFactory(endpoint=one)
        assert tell_of_exhausted(NOON) == 4
        [said] = told(one)
        assert (said["count"], said["outcomes"]) == (3, {"timeout": 2, "http_error": 1})
        assert said["reason"] == "3 deliveries have failed for good."
        assert [each["id"] for each in said["deliveries"]] == [delivery.id for delivery in deliveries]
        assert [each["count"] for each in told(other)] == [1]

    def test_each_is_told_once_and_again_only_if_it_fails_again(self) -> None:
        operators()
        delivery = exhausted(EndpointFactory())
        assert [tell_of_exhausted(NOON) for _ in range(2)] == [1, 0]
        Delivery.objects.filter(pk=delivery.pk).update(status="pending", next_attempt_at=NOON)
        assert tell_of_exhausted(NOON) == 0
        Delivery.objects.filter(pk=delivery.pk).update(status="failed", next_attempt_at=None, attempt_count=4)
        assert tell_of_exhausted(NOON) == 1
        assert [said["deliveries"][0]["attempts"] for said in told()] == [3, 4]

    def test_a_flood_is_told_in_a_few_statements_and_few_words(
        self, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        operators()
        endpoint = EndpointFactory()
        event = DeliveryFactory().event
        Delivery.objects.bulk_create(
            Delivery(event_id=event_like(event), endpoint=endpoint, status="failed", attempt_count=1, created_at=NOON)
            for _ in range(300)
        )
        Delivery.objects.filter(status="failed").update(finished_at=NOON)
        with django_assert_max_num_queries(40):
            assert tell_of_exhausted(NOON) == 300
        [said] = told()
        assert (said["count"], len(said["deliveries"])) == (300, 10)


def event_like(event: Event) -> str:
    """Publish the same once more, without deliveries."""
    return Event.objects.create(type=event.type, payload=event.payload, created_at=event.created_at).pk


@pytest.mark.django_db
class TestCertificates:
    def test_each_is_told_two_weeks_and_three_days_before_its_end_and_after_it(self) -> None:
        operators()
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)
        made = issued(trustme.CA(), ends=ends)
        endpoint = EndpointFactory()
        endpoint.set_tls({"client_certificate": chain(made), "client_key": key(made)}, by=Actor("tests"))
        counts = []
        for left in (15, 14, 13, 4, 2, 1, -1, -2):
            tell_of_expiring(ends - timedelta(days=left))
            counts.append(len(told()))
        assert counts == [0, 1, 1, 1, 2, 2, 3, 3]
        assert {(said["certificate"], said["expires_at"]) for said in told(endpoint)} == {
            ("client_certificate", ends.isoformat().replace("+00:00", "Z"))
        }


@pytest.mark.django_db
class TestBacklog:
    def late(self, minutes: float = 60) -> datetime:
        return NOON + timedelta(minutes=minutes)

    def test_it_is_told_once_it_has_grown_and_again_after_an_hour(self) -> None:
        operators()
        endpoint = EndpointFactory()
        DeliveryFactory(endpoint=endpoint)
        tell_of_backlog(self.late(4))
        tell_of_backlog(self.late(6))
        assert told() == []
        tell_of_backlog(self.late(7))
        [said] = told()
        assert said == {
            "type": "operational.backlog.growing",
            "cause": "behind",
            "reason": "The oldest delivery that is due has waited for 7 minutes, and longer than before.",
            "occurred_at": "2026-03-01T12:07:00Z",
            "oldest_due_at": "2026-03-01T12:00:00Z",
            "oldest_age_seconds": 420,
            "endpoints_behind": 1,
            "endpoints": [{"id": endpoint.id, "due_at": "2026-03-01T12:00:00Z"}],
        }
        tell_of_backlog(self.late(8))
        assert len(told()) == 1
        tell_of_backlog(self.late(67))
        assert len(told()) == 2

    def test_one_of_operators_own_endpoints_is_told_by_no_event_to_them(self) -> None:
        own = DeliveryFactory(endpoint=operators())
        for minutes in (6, 7):
            tell_of_backlog(self.late(minutes))
        assert told() == []
        assert Notice.objects.get().data["endpoints"][0]["id"] == own.endpoint_id

        DeliveryFactory()
        for minutes in (70, 71):
            tell_of_backlog(self.late(minutes))
        assert len(told()) == 1

    def test_one_that_shrinks_is_not_told(self) -> None:
        operators()
        first = DeliveryFactory()
        DeliveryFactory(next_attempt_at=NOON + 30 * A_MINUTE)
        tell_of_backlog(self.late(60))
        Delivery.objects.filter(pk=first.pk).update(status="delivered", next_attempt_at=None)
        tell_of_backlog(self.late(61))
        assert told() == []

    def test_what_stands_in_line_is_backlog_and_what_rests_is_not(self) -> None:
        operators()
        first = DeliveryFactory(endpoint=EndpointFactory(ordered=True), line="")
        resting = DeliveryFactory()
        EndpointHealth.objects.create(
            endpoint=resting.endpoint, noted_at=NOON, closed_until=NOON + DAY, closed_because="breaker"
        )
        for minutes in (60, 61):
            tell_of_backlog(self.late(minutes))
        assert [each["id"] for said in told() for each in said["endpoints"]] == [first.endpoint_id]

    @pytest.mark.parametrize("state", ["paused", "unverified", "disabled"])
    def test_what_waits_for_its_endpoint_is_no_backlog(self, state: str) -> None:
        operators()
        endpoint = EndpointFactory(state=state, must_verify=state == "unverified")
        DeliveryFactory(endpoint=endpoint)
        for minutes in (60, 61):
            tell_of_backlog(self.late(minutes))
        assert told() == []
