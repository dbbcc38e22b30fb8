"""Many endpoints are paused, resumed, enabled or disabled from their list, after one has seen how many that are."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from dispatch import bulk
from dispatch.models import BulkJob
from subscriptions.models import AuditEntry, Endpoint
from subscriptions.models.audit import Actor
from tests.admin_pages import listed, messages_of, page, run_action, text_of
from tests.factories import EndpointFactory, SubscriberFactory

pytestmark = pytest.mark.django_db
BY = Actor("user ada", "192.0.2.7")


def ask(action: str, **query: str) -> str:
    return f"{reverse('admin:dispatch_bulkjob_ask', args=[action])}?{urlencode(query)}"


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Endpoint.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("pause", "active", "paused"),
        ("resume", "paused", "active"),
        ("disable", "paused", "disabled"),
        ("enable", "disabled", "active"),
    ],
)
def test_moves_what_the_list_shows(admin_client: Client, action: str, before: str, after: str):
    subscriber = SubscriberFactory(uid="acme")
    EndpointFactory.create_batch(2, subscriber=subscriber, state=before)
    EndpointFactory(state=before)
    query = {"subscriber": "acme", "state__exact": before, "period": "1h"}
    assert f"{ask(action)}subscriber=acme" in text_of(
        admin_client.get(page(Endpoint, "changelist"), {"subscriber": "acme"})
    )
    assert f"<strong>2</strong> endpoints would be {action.removesuffix('e')}ed" in text_of(
        admin_client.get(ask(action, **query))
    )
    assert states() == {before: 3}
    response = admin_client.post(ask(action, **query))
    job = BulkJob.objects.get()
    assert response.headers["Location"] == page(job)
    bulk.run()
    assert admin_client.get(page(job, "progress")).json() == {
        "status": "done",
        "total": 2,
        "passed": 2,
        "changed": 2,
        "failed": 0,
        "is_over": True,
    }
    assert states() == {before: 1, after: 2}


def test_says_how_many_stay_as_they_are(admin_client: Client):
    EndpointFactory.create_batch(2)
    EndpointFactory(state="paused")
    EndpointFactory.create_batch(3, state="disabled")
    text = text_of(admin_client.get(ask("pause")))
    assert "<strong>2</strong> endpoints would be paused" in text
    assert "<strong>3</strong> disabled, <strong>1</strong> paused" in text
    assert "The list is not filtered: these are all there are." in text


def test_chosen_rows_and_those_of_a_search_are_meant(admin_client: Client):
    chosen, found, other = (EndpointFactory(description=name) for name in ("Billing", "Search", "Other"))
    response = run_action(admin_client, "pause_chosen", chosen)
    assert "<strong>1</strong> endpoint would be paused" in text_of(admin_client.get(response.headers["Location"]))
    admin_client.post(response.headers["Location"])
    admin_client.post(ask("disable", q="search"))
    bulk.run()
    for endpoint, state in ((chosen, "paused"), (found, "disabled"), (other, "active")):
        endpoint.refresh_from_db()
        assert endpoint.state == state


def test_all_that_a_list_shows_can_be_ticked_at_once(admin_client: Client):
    EndpointFactory.create_batch(2)
    body = {"action": "pause_chosen", "select_across": "1", "_selected_action": [Endpoint.objects.all()[0].pk]}
    response = admin_client.post(f"{page(Endpoint, 'changelist')}?state__exact=active", body)
    assert response.headers["Location"] == ask("pause", state__exact="active")


def test_each_is_in_the_audit_log_and_so_is_the_job():
    endpoint = EndpointFactory()
    job = bulk.ask(bulk.BulkAction.PAUSE, {"endpoints": [endpoint.pk]}, by=BY)
    bulk.run()
    entries = AuditEntry.objects.filter(actor="user ada").order_by("pk")
    assert [(entry.object_id, entry.action, entry.client_address) for entry in entries] == [
        (job.pk, "created", "192.0.2.7"),
        (endpoint.pk, "paused", "192.0.2.7"),
    ]
    endpoint.refresh_from_db()
    assert endpoint.state_reason == "Paused by user ada."


def test_what_cannot_be_moved_is_named_and_the_others_are_moved(admin_client: Client):
    first, second = EndpointFactory.create_batch(2)
    bulk.ask(bulk.BulkAction.PAUSE, {"state": "active"}, by=BY)
    first.change_state("disabled", reason="The receiver answered 410: gone.", now=timezone.now())
    bulk.run()
    job = BulkJob.objects.get()
    assert (job.status, job.passed, job.changed, job.failed) == ("done", 2, 1, 1)
    why = "Only an endpoint that is active or unverified can be paused. This one is disabled."
    assert job.failures == [{"endpoint": first.pk, "reason": why}]
    second.refresh_from_db()
    assert second.state == "paused"
    text = text_of(admin_client.get(page(job)))
    assert why in text
    assert page(first) in text


def test_an_endpoint_that_is_deleted_meanwhile_is_named(monkeypatch: pytest.MonkeyPatch):
    endpoint = EndpointFactory()
    real = Endpoint.move

    def move_what_is_gone(self: Endpoint, *args: Any, **options: Any) -> None:
        endpoint.remove(now=timezone.now())
        real(self, *args, **options)

    monkeypatch.setattr(Endpoint, "move", move_what_is_gone)
    bulk.ask(bulk.BulkAction.PAUSE, {}, by=BY)
    bulk.run()
    assert BulkJob.objects.get().failures == [{"endpoint": endpoint.pk, "reason": "It was deleted meanwhile."}]


def test_a_killed_worker_loses_nothing_and_moves_nothing_twice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk, "_ENDPOINTS_AT_ONCE", 2)
    EndpointFactory.create_batch(5)
    job = bulk.ask(bulk.BulkAction.PAUSE, {}, by=BY)
    assert bulk._step(job.pk) is True
    real, moved = Endpoint.move, []

    def move_and_die(self: Endpoint, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        moved.append(self.pk)
        if len(moved) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(Endpoint, "move", move_and_die)
        with pytest.raises(KeyboardInterrupt):
            bulk._step(job.pk)
    assert states() == {"paused": 2, "active": 3}
    bulk.run()
    job.refresh_from_db()
    assert (job.status, job.passed, job.changed, job.failed) == ("done", 5, 5, 0)
    assert AuditEntry.objects.filter(action="paused").count() == 5


@pytest.mark.parametrize("query", [{"signature": "x"}, {"subscriber": "nobody"}])
def test_a_list_that_no_job_can_mean_is_refused(admin_client: Client, query: dict[str, str]):
    response = admin_client.get(ask("pause", **query))
    ((name, text),) = query.items()
    assert messages_of(response) == [f"The list is narrowed by {name}={text}, which this cannot do. Take that away."]
    assert response.headers["Location"] == f"{page(Endpoint, 'changelist')}?{urlencode(query)}"


def test_a_search_that_finds_too_many_is_refused(admin_client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dispatch.admin.bulk_filters._MOST_FOUND", 1)
    EndpointFactory.create_batch(2, description="Billing")
    assert messages_of(admin_client.get(ask("pause", q="billing"))) == [
        "The search finds more than 1 endpoints. Filter instead."
    ]


def test_the_list_is_filtered_by_time_and_subscriber(admin_client: Client):
    with time_machine.travel(timezone.now() - timedelta(hours=2), tick=False):
        EndpointFactory()
    new = EndpointFactory(subscriber__uid="acme")
    assert listed(admin_client, Endpoint, period="1h") == [new]
    assert listed(admin_client, Endpoint, subscriber="acme") == [new]


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200)])
def test_is_for_those_who_may_change_endpoints(client: Client, django_user_model: Any, role: str, status: int):
    job = bulk.ask(bulk.BulkAction.PAUSE, {}, by=BY)
    user = django_user_model.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    assert client.get(ask("disable")).status_code == status
    assert client.post(page(job, "stop"), follow=True).status_code == status
    assert ("Pause all of these" in text_of(client.get(page(Endpoint, "changelist")))) is (status == 200)


@pytest.mark.django_db(transaction=True)
def test_two_workers_move_each_endpoint_once():
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has one writer at a time")
    EndpointFactory.create_batch(3)
    job = bulk.ask(bulk.BulkAction.PAUSE, {}, by=BY)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM dispatch_bulkjob FOR UPDATE")
            assert bulk._step(job.pk) is False
            cursor.execute("ROLLBACK")
    finally:
        other.close()
    assert states() == {"active": 3}
