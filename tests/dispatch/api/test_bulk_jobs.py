from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from dispatch import bulk
from dispatch.models import BulkJob, Delivery
from subscriptions.models import Scope
from tests.api_client import ApiClient, assert_problem
from tests.factories import NOON, DeliveryFactory, EndpointFactory

ENDED: dict[str, Any] = {"next_attempt_at": None, "finished_at": NOON}


def failed(number: int, **fields: Any) -> list[Delivery]:
    return DeliveryFactory.create_batch(number, status="failed", **ENDED, **fields)


def statuses() -> dict[str, int]:
    found: dict[str, int] = {}
    for status in Delivery.objects.values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def test_a_dry_run_counts_and_changes_nothing(api: ApiClient):
    endpoint = EndpointFactory()
    failed(3, endpoint=endpoint)
    failed(1)
    response = api.post("deliveries/retry/", {"endpoint": endpoint.id, "dry_run": True})
    assert (response.status_code, response.json()) == (200, {"count": 3})
    assert (statuses(), BulkJob.objects.count()) == ({"failed": 4}, 0)


def test_many_are_retried_in_the_background(api: ApiClient):
    endpoint = EndpointFactory()
    wanted = failed(3, endpoint=endpoint)
    failed(1)
    DeliveryFactory(endpoint=endpoint, status="cancelled", **ENDED)
    response = api.post("deliveries/retry/", {"endpoint": endpoint.id})
    assert response.status_code == 202
    job = response.json()
    assert (job["status"], job["total"], job["changed"], job["filters"]) == ("running", 3, 0, {"endpoint": endpoint.id})

    assert bulk.run() is False

    job = api.get(f"jobs/{job['id']}/").json()
    assert (job["status"], job["passed"], job["changed"]) == ("done", 3, 3)
    assert job["finished_at"] is not None
    assert set(Delivery.objects.filter(status="pending")) == set(wanted)
    assert statuses() == {"pending": 3, "failed": 1, "cancelled": 1}


def test_many_are_cancelled_and_only_what_is_pending(api: ApiClient):
    DeliveryFactory.create_batch(2)
    failed(1)
    api.post("deliveries/cancel/", {"event_type": "invoice.paid", "created_before": "2100-01-01T00:00:00Z"})
    bulk.run()
    assert statuses() == {"cancelled": 2, "failed": 1}
    assert Delivery.objects.filter(note__startswith="Cancelled by API key tests").count() == 2


def test_a_job_goes_on_where_it_was_and_means_nothing_that_came_later(api: ApiClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk, "_AT_ONCE", 2)
    failed(5)
    api.post("deliveries/retry/", {"status": "failed"})
    [job] = BulkJob.objects.all()
    later = failed(1)
    assert bulk._step(job.pk) is True
    job.refresh_from_db()
    assert (job.status, job.passed, job.changed) == ("running", 2, 2)
    # Meanwhile one of those has failed once more: it is not retried again by this job.
    once_more = Delivery.objects.filter(status="pending").values_list("pk", flat=True)[0]
    Delivery.objects.filter(pk=once_more).update(status="failed", **ENDED)

    bulk.run()

    job.refresh_from_db()
    assert (job.status, job.total, job.passed, job.changed) == ("done", 5, 5, 5)
    assert set(Delivery.objects.filter(status="failed").values_list("pk", flat=True)) == {later[0].pk, once_more}


def test_a_job_can_be_stopped(api: ApiClient):
    failed(2)
    job = api.post("deliveries/retry/", {"status": "failed"}).json()
    response = api.post(f"jobs/{job['id']}/stop/", {})
    assert (response.status_code, response.json()["status"]) == (200, "stopped")
    bulk.run()
    assert statuses() == {"failed": 2}
    assert_problem(api.post(f"jobs/{job['id']}/stop/", {}), 409, "Conflict", "The job is stopped already.", errors={})


def test_all_there_is_has_to_be_meant(api: ApiClient):
    detail = "Name at least one filter, such as endpoint or created_after."
    assert_problem(api.post("deliveries/cancel/", {}), 400, "Bad Request", detail, errors={})
    assert api.post("deliveries/cancel/", {"statis": "failed"}).status_code == 400


def test_a_subscriber_moves_and_sees_only_its_own(api: ApiClient):
    mine, theirs = failed(1)[0], failed(1)[0]
    acme = ApiClient.with_new_key(Scope.SUBSCRIBER, mine.endpoint.subscriber)
    assert acme.post("deliveries/retry/", {"status": "failed", "dry_run": True}).json() == {"count": 1}
    job = acme.post("deliveries/retry/", {"status": "failed"}).json()
    others = api.post("deliveries/cancel/", {"status": "pending"}).json()
    bulk.run()
    assert Delivery.objects.get(pk=mine.pk).status != "failed"
    assert Delivery.objects.get(pk=theirs.pk).status == "failed"
    assert [row["id"] for row in acme.get("jobs/").json()["results"]] == [job["id"]]
    assert acme.get(f"jobs/{others['id']}/").status_code == 404
    assert acme.post(f"jobs/{others['id']}/stop/", {}).status_code == 404


def test_a_list_of_jobs_takes_one_statement_however_long_it_is(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
):
    for _ in range(3):
        api.post("deliveries/cancel/", {"status": "pending"})
    api.get("jobs/")
    with django_assert_num_queries(1):
        assert len(api.get("jobs/").json()["results"]) == 3


def test_filters_of_all_kinds_are_kept_with_the_job(api: ApiClient):
    delivery = failed(1, endpoint__subscriber__uid="acme")[0]
    query = {"subscriber": "acme", "created_after": "2026-01-01T00:00:00+02:00", "response_class": "5xx"}
    Delivery.objects.update(last_status_code=503)
    api.post("deliveries/retry/", query)
    bulk.run()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.next_attempt_at is not None) == ("pending", True)
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at <= timezone.now()
