from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.models import Delivery
from dispatch.publish import publish_test
from subscriptions import ids
from tests.api_client import ApiClient
from tests.factories import NOON, DeliveryFactory, EndpointFactory

ENDED: dict[str, Any] = {"next_attempt_at": None, "finished_at": NOON, "attempt_count": 3}


def sending(**fields: Any) -> Delivery:
    lease: dict[str, Any] = {"claim_token": ids.uuid7(), "claimed_at": NOON, "lease_expires_at": NOON}
    return DeliveryFactory(status="sending", next_attempt_at=None, **lease, **fields)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_has_ended_without_success_is_tried_again_now(api: ApiClient, status: str):
    delivery = DeliveryFactory(status=status, note="Because.", **ENDED)
    before = timezone.now()
    response = api.post(f"deliveries/{delivery.id}/retry/", {})
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["note"], response.json()["finished_at"]) == ("pending", "", None)
    delivery.refresh_from_db()
    assert delivery.next_attempt_at is not None
    assert before <= delivery.next_attempt_at <= timezone.now()
    assert (delivery.manual_attempt, delivery.attempt_count) == (4, 3)


def test_what_waits_for_its_next_attempt_does_not_wait_any_longer(api: ApiClient):
    delivery = DeliveryFactory(next_attempt_at=timezone.now() + timedelta(hours=5), attempt_count=2)
    assert api.post(f"deliveries/{delivery.id}/retry/", {}).status_code == 200
    delivery.refresh_from_db()
    assert delivery.next_attempt_at is not None
    assert (delivery.next_attempt_at <= timezone.now(), delivery.manual_attempt) == (True, 3)


def assert_conflict(response: Any, detail: str) -> None:
    assert (response.status_code, response.json()["detail"]) == (409, detail)


def test_nothing_is_sent_after_a_success(api: ApiClient):
    delivery = DeliveryFactory(status="delivered", **ENDED)
    response = api.post(f"deliveries/{delivery.id}/retry/", {})
    assert_conflict(response, "The delivery has reached its receiver: nothing is sent after a success.")
    assert_conflict(
        api.post(f"deliveries/{delivery.id}/cancel/", {}),
        "The delivery is delivered: only one that is pending can be cancelled.",
    )


def test_what_is_under_way_is_left_to_whoever_sends_it(api: ApiClient):
    delivery = sending()
    assert_conflict(
        api.post(f"deliveries/{delivery.id}/retry/", {}),
        "The delivery is being sent. If this attempt fails it can be retried: try again.",
    )
    assert_conflict(
        api.post(f"deliveries/{delivery.id}/cancel/", {}),
        "The delivery is being sent. If this attempt fails it can be cancelled: try again.",
    )


def test_nothing_is_retried_at_a_disabled_endpoint(api: ApiClient):
    delivery = DeliveryFactory(status="failed", endpoint__state="disabled", **ENDED)
    assert_conflict(api.post(f"deliveries/{delivery.id}/retry/", {}), "The endpoint is disabled. Enable it first.")


def test_a_test_is_not_retried(api: ApiClient):
    test = publish_test(EndpointFactory(), "invoice.paid", now=NOON)
    Delivery.objects.update(status="failed", claim_token=None, claimed_at=None, lease_expires_at=None, finished_at=NOON)
    assert_conflict(
        api.post(f"deliveries/{test.id}/retry/", {}),
        "This is a test, which has one attempt. Send another test event.",
    )


def test_a_pending_delivery_is_cancelled_and_says_by_whom(api: ApiClient):
    delivery = DeliveryFactory()
    response = api.post(f"deliveries/{delivery.id}/cancel/", {})
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    delivery.refresh_from_db()
    assert delivery.note.startswith("Cancelled by API key tests (whk_")
    assert (delivery.next_attempt_at, delivery.finished_at is not None) == (None, True)


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_what_does_not_exist_is_404_and_unknown_fields_are_refused(api: ApiClient, action: str):
    assert api.post(f"deliveries/nothing/{action}/", {}).status_code == 404
    assert api.post(f"deliveries/{DeliveryFactory().id}/{action}/", {"force": True}).status_code == 400
