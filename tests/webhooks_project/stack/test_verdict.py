"""When the demo is content, and what it says when it is not."""

from typing import Any

from webhooks_project.stack.verdict import problems


def _delivery(event: str, *answers: int, status: str = "delivered") -> dict[str, Any]:
    return {"event": event, "status": status, "attempts": [{"status_code": answer} for answer in answers]}


def _request(event: str | None, status: int = 200, *, verified: bool = True, reason: str = "") -> dict[str, Any]:
    return {"id": event, "status": status, "verified": verified and status == 200, "reason": reason}


def test_all_is_well_when_each_event_was_accepted_once_after_the_expected_failures() -> None:
    deliveries = [_delivery("evt_1", 503, 200), _delivery("evt_2", 200)]
    received = [_request("evt_1", 503), _request("evt_2"), _request("evt_1")]
    assert problems(["evt_1", "evt_2"], 1, deliveries, received) == []


def test_a_delivery_that_did_not_arrive() -> None:
    assert problems(["evt_1"], 1, [_delivery("evt_1", 503, status="pending")], [_request("evt_1", 503)]) == [
        "evt_1 is pending, the receiver answered [503]."
    ]


def test_a_missing_delivery() -> None:
    assert problems(["evt_1", "evt_2"], 0, [_delivery("evt_1", 200)], [_request("evt_1")]) == [
        "1 deliveries, but 2 events."
    ]


def test_a_delivery_that_the_receiver_knows_nothing_of() -> None:
    assert problems(["evt_1"], 0, [_delivery("evt_1", 200)], []) == [
        "evt_1: the dispatcher's log has the answers [200], the receiver gave [].",
        "evt_1 was accepted and verified 0 times instead of once.",
    ]


def test_a_request_that_was_sent_again_after_success() -> None:
    assert problems(["evt_1"], 0, [_delivery("evt_1", 200)], [_request("evt_1"), _request("evt_1")]) == [
        "evt_1: the dispatcher's log has the answers [200], the receiver gave [200, 200].",
        "evt_1 was accepted and verified 2 times instead of once.",
    ]


def test_a_request_that_was_not_verified() -> None:
    received = [_request("evt_1", verified=False, reason="The signature does not match.")]
    assert problems(["evt_1"], 0, [_delivery("evt_1", 200)], received) == [
        "evt_1 was accepted and verified 0 times instead of once. The signature does not match."
    ]


def test_requests_without_a_known_id() -> None:
    received = [_request("evt_1"), _request(None), _request("evt_9")]
    assert problems(["evt_1"], 0, [_delivery("evt_1", 200)], received) == [
        "Requests came with ids that are not the events': ['None', 'evt_9']."
    ]


def test_failures_that_did_not_happen() -> None:
    assert problems(["evt_1"], 3, [_delivery("evt_1", 200)], [_request("evt_1")]) == [
        "It answered 503 0 times instead of 3."
    ]
