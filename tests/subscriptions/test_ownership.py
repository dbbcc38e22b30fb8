import dataclasses
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from subscriptions import challenge_calls
from subscriptions.models import Endpoint, EndpointState
from tests.factories import NOON, EndpointFactory, SubscriberFactory

pytestmark = pytest.mark.django_db

MINE, OTHER = "a" * 64, "b" * 64
LEASE = timedelta(seconds=60)
URL = "https://receiver.example/hooks"


@pytest.fixture
def challenging(settings: Settings) -> None:
    settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, ownership_challenge=True)


@pytest.fixture
def endpoint(challenging: None) -> Endpoint:
    endpoint = EndpointFactory()
    endpoint.begin_challenge(now=NOON)
    return endpoint


def due(minutes: float = 0) -> list[Endpoint]:
    return list(Endpoint.objects.challenge_due(NOON + timedelta(minutes=minutes)))


def test_a_new_endpoint_is_unverified_and_due_and_the_sender_is_called_after_the_commit(
    challenging: None,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
):
    calls: list[str] = []
    monkeypatch.setattr(challenge_calls, "_calls", [lambda: calls.append("called")])
    with django_capture_on_commit_callbacks(execute=True):
        endpoint, _ = Endpoint.objects.register(subscriber=SubscriberFactory(), url=URL)
        assert calls == []
    assert calls == ["called"]
    assert (endpoint.state, endpoint.must_verify, endpoint.challenge_tries) == ("unverified", True, 0)
    assert endpoint.challenge_due_at == endpoint.next_challenge_at == endpoint.state_changed_at
    assert endpoint.is_challenged


def test_without_the_setting_it_is_active_and_nobody_is_called(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
):
    monkeypatch.setattr(challenge_calls, "_calls", [lambda: pytest.fail("called")])
    with django_capture_on_commit_callbacks(execute=True):
        endpoint, _ = Endpoint.objects.register(subscriber=SubscriberFactory(), url=URL)
        endpoint.note_new_url(now=NOON)
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.must_verify, endpoint.is_challenged) == ("active", False, False)


def test_the_database_lets_none_be_active_that_owes_an_answer(endpoint: Endpoint):
    for changed in ({"state": "active"}, {"must_verify": False}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Endpoint.objects.update(**changed)


class TestATry:
    def test_belongs_to_one_at_a_time(self, endpoint: Endpoint):
        assert endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        assert not endpoint.claim_challenge(OTHER, now=NOON, lease=LEASE)
        assert due() == []
        # A lost one is not claimed, but noted first.
        assert due(1) == [endpoint]
        assert not endpoint.claim_challenge(OTHER, now=NOON + 2 * LEASE, lease=LEASE)
        endpoint.refresh_from_db()
        assert (endpoint.challenge_tries, endpoint.challenge_tried_at, endpoint.next_challenge_at) == (1, NOON, None)

    def test_that_passes_makes_the_endpoint_active(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        assert not endpoint.pass_challenge(OTHER, now=NOON)
        assert endpoint.pass_challenge(MINE, now=NOON)
        assert not endpoint.pass_challenge(MINE, now=NOON)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.state_reason, endpoint.verified_at) == ("active", "", NOON)
        assert (endpoint.challenge_outcome, endpoint.challenge_due_at, endpoint.challenge_nonce_hash) == (
            "success",
            None,
            "",
        )

    def test_that_comes_too_late_means_nothing(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        assert not endpoint.pass_challenge(MINE, now=NOON + LEASE)

    def test_that_fails_is_followed_by_another(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        failed = {"now": NOON, "outcome": "timeout", "error": "x" * 600, "retry_in": timedelta(minutes=5)}
        assert not endpoint.fail_challenge(OTHER, **failed)
        assert endpoint.fail_challenge(MINE, **failed)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.challenge_outcome) == ("unverified", "timeout")
        assert endpoint.challenge_error == "x" * 500
        assert (due(4), due(5)) == ([], [endpoint])

    def test_that_was_the_last_is_given_up(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        assert list(Endpoint.objects.challenge_given_up()) == []
        endpoint.fail_challenge(MINE, now=NOON, outcome="timeout", error="", retry_in=None)
        assert list(Endpoint.objects.challenge_given_up()) == [endpoint]
        assert due(10**6) == []

    def test_that_was_not_begun_is_given_back_and_does_not_count(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        endpoint.return_challenge(MINE, now=NOON)
        endpoint.refresh_from_db()
        assert (endpoint.challenge_tries, due()) == (0, [endpoint])

    def test_that_passes_after_it_was_paused_leaves_it_paused_but_verified(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        endpoint.change_state(EndpointState.PAUSED, reason="", now=NOON)
        assert endpoint.pass_challenge(MINE, now=NOON)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.must_verify) == ("paused", False)
        endpoint.change_state(EndpointState.ACTIVE, reason="", now=NOON)
        assert endpoint.state == EndpointState.ACTIVE


class TestANewUrl:
    def test_has_to_answer_and_takes_away_the_try_that_is_under_way(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        endpoint.note_new_url(now=NOON)
        assert not endpoint.pass_challenge(MINE, now=NOON)
        assert (endpoint.state, endpoint.challenge_tries, due()) == ("unverified", 0, [endpoint])

    def test_of_a_verified_endpoint_makes_it_unverified(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        endpoint.pass_challenge(MINE, now=NOON)
        endpoint.note_new_url(now=NOON)
        assert (endpoint.state, endpoint.verified_at, endpoint.challenge_outcome) == ("unverified", None, "")

    @pytest.mark.parametrize("state", [EndpointState.PAUSED, EndpointState.DISABLED])
    def test_of_one_that_is_held_is_challenged_when_it_is_resumed(self, endpoint: Endpoint, state: EndpointState):
        endpoint.change_state(state, reason="asked for", now=NOON)
        endpoint.note_new_url(now=NOON)
        assert (endpoint.state, endpoint.state_reason, due()) == (state, "asked for", [])
        endpoint.change_state(EndpointState.ACTIVE, reason="", now=NOON)
        assert (endpoint.state, due()) == ("unverified", [endpoint])

    def test_where_nobody_is_challenged_any_more_only_forgets_what_the_old_one_answered(
        self, endpoint: Endpoint, settings: Settings
    ):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        endpoint.pass_challenge(MINE, now=NOON)
        settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, ownership_challenge=False)
        endpoint.note_new_url(now=NOON)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.verified_at) == ("active", None)


class TestWithTheSettingTurnedOffAgain:
    @pytest.fixture(autouse=True)
    def _off(self, endpoint: Endpoint, settings: Settings) -> None:
        settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, ownership_challenge=False)

    def test_one_that_owes_an_answer_is_still_challenged(self, endpoint: Endpoint):
        endpoint.note_new_url(now=NOON)
        assert (endpoint.state, due()) == ("unverified", [endpoint])

    def test_an_operator_may_forget_the_debt(self, endpoint: Endpoint):
        endpoint.change_state(EndpointState.ACTIVE, reason="", now=NOON)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.must_verify, due()) == ("active", False, [])


class TestAskingAgain:
    def test_begins_the_schedule_anew(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        endpoint.fail_challenge(MINE, now=NOON, outcome="timeout", error="Too slow.", retry_in=None)
        endpoint.ask_for_challenge(now=NOON + LEASE)
        assert (endpoint.challenge_tries, endpoint.challenge_outcome, due(1)) == (0, "", [endpoint])
        # It has been unverified all the time.
        assert endpoint.state_changed_at == NOON

    def test_does_not_disturb_a_try_that_is_under_way(self, endpoint: Endpoint):
        endpoint.claim_challenge(MINE, now=NOON, lease=LEASE)
        endpoint.ask_for_challenge(now=NOON)
        assert endpoint.pass_challenge(MINE, now=NOON)

    @pytest.mark.parametrize("state", ["active", "paused", "disabled"])
    def test_is_only_for_unverified_ones(self, state: str):
        with pytest.raises(ValidationError) as refused:
            EndpointFactory(state=state).ask_for_challenge(now=NOON)
        assert refused.value.messages == [f"Only an unverified endpoint is challenged. This one is {state}."]
