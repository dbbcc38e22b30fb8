"""What a list of deliveries shows is retried or cancelled at once, after one has seen how many that are."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from dispatch import bulk
from dispatch.models import BulkJob, Delivery
from tests.admin_pages import messages_of, page, text_of
from tests.factories import NOON, DeliveryFactory, EndpointFactory

pytestmark = pytest.mark.django_db
FAILED: dict[str, Any] = {"status": "failed", "next_attempt_at": None, "finished_at": NOON, "attempt_count": 1}


def ask(action: str, query: str = "") -> str:
    return reverse("admin:dispatch_bulkjob_ask", args=[action]) + query


def test_retries_what_the_list_shows(admin_client: Client):
    endpoint = EndpointFactory()
    DeliveryFactory.create_batch(3, endpoint=endpoint, last_outcome="timeout", **FAILED)
    other = DeliveryFactory(**FAILED)
    query = f"?endpoint={endpoint.pk}&last_outcome__exact=timeout&period=1h&before={other.pk}"
    assert f"{ask('retry')}?endpoint={endpoint.pk}" in text_of(
        admin_client.get(f"{page(Delivery, 'changelist')}?endpoint={endpoint.pk}")
    )
    assert "<strong>3</strong> deliveries would be retried" in text_of(admin_client.get(ask("retry", query)))
    assert not BulkJob.objects.exists()
    response = admin_client.post(ask("retry", query))
    job = BulkJob.objects.get()
    assert (job.total, job.asked_by, response.headers["Location"]) == (3, "user admin", page(job))
    progress = page(job, "progress")
    assert admin_client.get(progress).json() == {
        "status": "running",
        "total": 3,
        "passed": 0,
        "changed": 0,
        "failed": 0,
        "is_over": False,
    }
    bulk.run()
    assert admin_client.get(progress).json() == {
        "status": "done",
        "total": 3,
        "passed": 3,
        "changed": 3,
        "failed": 0,
        "is_over": True,
    }
    assert Delivery.objects.filter(status="pending").count() == 3
    assert "3 of 3 looked at, 3 changed." in text_of(admin_client.get(page(job)))


def test_cancels_what_is_pending(admin_client: Client):
    DeliveryFactory.create_batch(2)
    DeliveryFactory(**FAILED)
    assert "<strong>2</strong> deliveries would be cancelled" in text_of(admin_client.get(ask("cancel")))
    admin_client.post(ask("cancel"))
    bulk.run()
    assert Delivery.objects.filter(status="cancelled").count() == 2


def test_a_list_that_no_job_can_mean_is_refused(admin_client: Client):
    response = admin_client.get(ask("retry", "?code=none"))
    assert response.status_code == 302
    assert messages_of(response) == ["The list is narrowed by code=none, which this cannot do. Take that away."]
    assert admin_client.get(ask("delete")).status_code == 404


def test_a_job_is_stopped(admin_client: Client):
    DeliveryFactory(**FAILED)
    admin_client.post(ask("retry"))
    job = BulkJob.objects.get()
    assert page(job, "stop") in text_of(admin_client.get(page(job)))
    admin_client.post(page(job, "stop"))
    assert admin_client.get(page(job, "progress")).json()["status"] == "stopped"


def test_viewers_only_watch(client: Client, django_user_model: Any, admin_client: Client):
    DeliveryFactory(**FAILED)
    admin_client.post(ask("retry"))
    job = BulkJob.objects.get()
    user = django_user_model.objects.create_user("guest", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    assert "Retry all of these" not in text_of(client.get(page(Delivery, "changelist")))
    assert client.get(page(job)).status_code == 200
    for answer in (client.get(ask("retry")), client.post(ask("retry")), client.post(page(job, "stop"))):
        assert answer.status_code == 403
    assert BulkJob.objects.count() == 1
