import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from dispatch.classify import Verdict, classify
from dispatch.endpoint_snapshots import EndpointSnapshot
from dispatch.engine import Done, Job
from dispatch.outbox import Attempted, Claim
from dispatch.recording import record, record_lost
from dispatch.signing import Signer
from dispatch.states import DeliveryStatus, Outcome
from dispatch.transport import Result
from subscriptions.models import EndpointState
from webhooks_project.conf import WebhookSettings

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
STARTED_AT = NOW - timedelta(seconds=1)
ENDPOINT = EndpointSnapshot(uuid.UUID(int=3), "https://receiver.example/hooks", EndpointState.ACTIVE, Signer(()))


@pytest.fixture(autouse=True)
def _default_settings(settings: Settings) -> None:
    settings.WEBHOOKS = WebhookSettings()


def claim(attempt: int = 1) -> Claim:
    return Claim(uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3), attempt, uuid.UUID(int=4))


def done(result: Result, *, attempt: int = 1, verdict: Verdict | None = None) -> Done:
    job = Job(claim(attempt), ENDPOINT, b"{}", begin_by=time.monotonic())
    return Done(job, result, verdict or classify(result, NOW))


def answered(status: int, *, attempt: int = 1, **known: Any) -> Done:
    return done(Result("key", STARTED_AT, 0.25, status_code=status, **known), attempt=attempt)


def next_attempt_in(recorded: Attempted) -> float:
    assert recorded.status is DeliveryStatus.PENDING
    assert recorded.next_attempt_at is not None
    return (recorded.next_attempt_at - NOW).total_seconds()


def test_a_success_is_written_down_whole_and_ends_the_delivery() -> None:
    ended = answered(201, attempt=3, headers={"x-request-id": "7"}, body="dänke".encode(), remote_address="203.0.113.7")

    assert record(ended, now=NOW, chance=0.5, worker="host:1") == Attempted(
        claim=claim(3),
        status=DeliveryStatus.DELIVERED,
        outcome=Outcome.SUCCESS,
        started_at=STARTED_AT,
        finished_at=NOW,
        worker="host:1",
        next_attempt_at=None,
        duration_ms=250,
        status_code=201,
        error="",
        remote_address="203.0.113.7",
        response_headers={"x-request-id": "7"},
        response_body="dänke",
    )


def test_a_failure_is_written_down_whole_and_the_delivery_waits_for_its_next_attempt() -> None:
    ended = answered(500, headers={"a": "b"}, body=b"no", remote_address="203.0.113.7")

    assert record(ended, now=NOW, chance=0, worker="host:1") == Attempted(
        claim=claim(1),
        status=DeliveryStatus.PENDING,
        outcome=Outcome.HTTP_ERROR,
        started_at=STARTED_AT,
        finished_at=NOW,
        worker="host:1",
        next_attempt_at=NOW + timedelta(seconds=5),
        duration_ms=250,
        status_code=500,
        error="The receiver answered 500.",
        remote_address="203.0.113.7",
        response_headers={"a": "b"},
        response_body="no",
    )


def test_a_failure_without_an_answer_has_none_in_the_log() -> None:
    ended = done(Result("key", STARTED_AT, 15.0004, failure=Outcome.TIMEOUT, error="It took too long."))
    recorded = record(ended, now=NOW, chance=0, worker="host:1")

    assert (recorded.status, recorded.outcome, recorded.error) == (
        DeliveryStatus.PENDING,
        Outcome.TIMEOUT,
        "It took too long.",
    )
    assert (recorded.status_code, recorded.remote_address, recorded.response_body) == (None, "", "")
    assert recorded.duration_ms == 15000


@pytest.mark.parametrize(
    ("attempt", "first", "last"),
    [
        (1, "05:06:12.000", "05:06:12.500"),
        (2, "05:11:07.000", "05:11:37.000"),
        (3, "05:36:07.000", "05:39:07.000"),
        (4, "07:06:07.000", "07:18:07.000"),
        (5, "10:06:07.000", "10:36:07.000"),
        (6, "15:06:07.000", "16:06:07.000"),
        (7, "19:06:07.000", "20:30:07.000"),
        (8, "05T01:06:07.000", "05T03:06:07.000"),
        (9, "05T05:06:07.000", "05T07:30:07.000"),
    ],
)
def test_the_moments_of_the_default_schedule(attempt: int, first: str, last: str) -> None:
    def moment(text: str) -> datetime:
        day, _, clock = text.rpartition("T")
        return datetime.fromisoformat(f"2026-03-{day or '04'}T{clock}+00:00")

    earliest = record(answered(500, attempt=attempt), now=NOW, chance=0, worker="host:1")
    latest = record(answered(500, attempt=attempt), now=NOW, chance=1, worker="host:1")

    assert (earliest.status, latest.status) == (DeliveryStatus.PENDING, DeliveryStatus.PENDING)
    assert (earliest.next_attempt_at, latest.next_attempt_at) == (moment(first), moment(last))


def test_the_last_attempt_of_the_schedule_ends_the_delivery() -> None:
    recorded = record(answered(500, attempt=10), now=NOW, chance=0.5, worker="host:1")

    assert (recorded.status, recorded.next_attempt_at) == (DeliveryStatus.FAILED, None)
    assert (recorded.outcome, recorded.status_code) == (Outcome.HTTP_ERROR, 500)


def test_the_last_attempt_may_succeed() -> None:
    assert record(answered(200, attempt=10), now=NOW, chance=0.5, worker="host:1").status is DeliveryStatus.DELIVERED


def test_a_final_answer_ends_the_delivery_at_its_first_attempt() -> None:
    recorded = record(answered(410), now=NOW, chance=0.5, worker="host:1")

    assert (recorded.status, recorded.next_attempt_at) == (DeliveryStatus.FAILED, None)
    assert recorded.outcome is Outcome.ENDPOINT_GONE


@pytest.mark.parametrize("outcome", [each for each in Outcome if each not in {Outcome.SUCCESS, Outcome.ENDPOINT_GONE}])
def test_every_other_outcome_is_tried_again(outcome: Outcome) -> None:
    ended = done(Result("key", STARTED_AT, 0.1), verdict=Verdict(outcome, error="It went wrong."))

    assert next_attempt_in(record(ended, now=NOW, chance=0, worker="host:1")) == 5


@pytest.mark.parametrize(
    ("retry_after", "chance", "seconds"),
    [
        ("60", 0, 60),
        ("60", 1, 66),
        ("1", 0, 5),
        ("999999999999", 0, 86400),
        ("9" * 400, 1, 95040),
        ("Wed, 04 Mar 2026 05:07:07 GMT", 0, 60),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 0, 86400),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 5),
        ("soon", 0, 5),
    ],
)
def test_the_receiver_may_ask_for_a_later_attempt(retry_after: str, chance: float, seconds: float) -> None:
    recorded = record(answered(503, headers={"retry-after": retry_after}), now=NOW, chance=chance, worker="host:1")

    assert next_attempt_in(recorded) == seconds


def test_the_settings_decide(settings: Settings) -> None:
    settings.WEBHOOKS = WebhookSettings(retry_schedule=(7,), retry_jitter=1, retry_after_max=20)

    assert next_attempt_in(record(answered(500), now=NOW, chance=0.5, worker="w")) == 10.5
    patient = answered(503, headers={"retry-after": "60"})
    assert next_attempt_in(record(patient, now=NOW, chance=0.5, worker="w")) == 30
    assert record(answered(500, attempt=2), now=NOW, chance=0.5, worker="w").status is DeliveryStatus.FAILED


def test_without_a_schedule_there_is_one_attempt(settings: Settings) -> None:
    settings.WEBHOOKS = WebhookSettings(retry_schedule=())

    assert record(answered(500), now=NOW, chance=0, worker="w").status is DeliveryStatus.FAILED


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"\xff\xfeok", "\ufffd\ufffdok"),
        ("dän".encode()[:-2], "d\ufffd"),
        (b"\x1f\x8b\x08", "\x1f\ufffd\x08"),
    ],
)
def test_a_body_that_is_no_text_is_kept_as_far_as_it_is(body: bytes, text: str) -> None:
    assert record(answered(200, body=body), now=NOW, chance=0, worker="w").response_body == text


def test_a_lost_attempt_is_written_down_and_its_delivery_is_due_at_once() -> None:
    claimed_at = NOW - timedelta(minutes=1)

    assert record_lost(claim(1), claimed_at=claimed_at, now=NOW, worker="host:1") == Attempted(
        claim=claim(1),
        status=DeliveryStatus.PENDING,
        outcome=Outcome.WORKER_LOST,
        started_at=claimed_at,
        finished_at=NOW,
        worker="host:1",
        next_attempt_at=NOW,
        duration_ms=None,
        status_code=None,
        error="The worker ended while it was sending. Whether the request arrived is not known.",
    )


@pytest.mark.parametrize(("attempt", "status"), [(9, DeliveryStatus.PENDING), (10, DeliveryStatus.FAILED)])
def test_a_lost_attempt_counts(attempt: int, status: DeliveryStatus) -> None:
    recorded = record_lost(claim(attempt), claimed_at=NOW, now=NOW, worker="host:1")

    assert (recorded.status, recorded.next_attempt_at) == (status, None if status is DeliveryStatus.FAILED else NOW)


class TestAWornOutToken:
    def test_makes_the_next_attempt_due_at_once(self) -> None:
        recorded = record(answered(401, is_token_worn_out=True), now=NOW, chance=1, worker="host:1")

        assert next_attempt_in(recorded) == 0
        assert (recorded.outcome, recorded.status_code) == (Outcome.HTTP_ERROR, 401)
        assert recorded.error == (
            "The receiver answered 401: the access token is worn out. Another one is tried at once."
        )

    def test_does_not_lengthen_the_schedule(self) -> None:
        recorded = record(answered(401, attempt=10, is_token_worn_out=True), now=NOW, chance=1, worker="host:1")

        assert (recorded.status, recorded.next_attempt_at) == (DeliveryStatus.FAILED, None)


def test_what_is_kept_of_an_answer_repeats_no_secret() -> None:
    ended = answered(
        500,
        headers={"x-echo": "Basic abcdefgh", "set-cookie": "a=b", "x-y": "z"},
        body=b'{"sent": "abcdefgh", "cut": "abcdef',
        secrets=("abcdefgh",),
    )
    recorded = record(ended, now=NOW, chance=0, worker="host:1")

    assert recorded.response_headers == {"x-echo": "Basic …", "set-cookie": "…", "x-y": "z"}
    assert recorded.response_body == '{"sent": "…", "cut": "…'


class TestWhatIsKeptOfALongAnswer:
    LIMIT = WebhookSettings().response_limit

    def kept(self, headers: dict[str, str], body: bytes) -> tuple[dict[str, str], str]:
        recorded = record(answered(200, headers=headers, body=body), now=NOW, chance=0, worker="w")
        return dict(recorded.response_headers), recorded.response_body

    def test_is_headers_and_then_the_beginning_of_the_body(self) -> None:
        headers, body = self.kept({"x-y": "z" * (self.LIMIT - 103)}, b"b" * self.LIMIT)

        assert (len(headers["x-y"]), body) == (self.LIMIT - 103, "b" * 100)

    def test_is_as_many_headers_as_fit(self) -> None:
        headers, body = self.kept({f"x-{number}": "z" * 1000 for number in range(100)}, b"body")

        assert list(headers) == [f"x-{number}" for number in range(16)]
        assert body == "body"

    def test_is_no_longer_for_what_is_no_text(self) -> None:
        _, body = self.kept({}, b"\xff" * self.LIMIT)

        assert body == "\ufffd" * (self.LIMIT // 3)

    def test_ends_with_a_whole_character(self) -> None:
        _, body = self.kept({"x": "y" * (self.LIMIT - 4)}, "üü".encode())

        assert body == "ü"
