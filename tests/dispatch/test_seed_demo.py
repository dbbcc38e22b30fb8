"""`manage.py seed_demo` fills a database with a past that looks real."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, F
from django.utils import timezone

from dispatch import traffic
from dispatch.models import Attempt, Delivery, Event
from dispatch.traffic import Span
from subscriptions.models import Endpoint
from tests.factories import SubscriberFactory

pytestmark = pytest.mark.django_db


def seed(*arguments: str) -> str:
    output = StringIO()
    call_command("seed_demo", "--subscribers", "12", *arguments, stdout=output)
    return output.getvalue()


def test_makes_as_many_deliveries_as_asked_for_with_attempts_that_fit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dispatch.management.commands.seed_demo._BATCH", 100)
    monkeypatch.setattr("dispatch.management.commands.seed_demo._TOLD_EVERY", 100)
    said = seed("--deliveries", "150", "--days", "1")
    now = timezone.now()
    assert " of 150 deliveries\n" in said
    assert "150 deliveries and" in said
    assert Delivery.objects.count() == 150
    counted = Delivery.objects.annotate(made=Count("attempts"))
    assert not counted.exclude(made=F("attempt_count")).exists()
    for delivery in Delivery.objects.select_related("event", "endpoint")[:50]:
        assert delivery.event.subscriber_id == delivery.endpoint.subscriber_id
    created = [event.created_at for event in Event.objects.order_by("pk")]
    assert created == sorted(created)
    assert now - timedelta(days=2) < created[0] < now - timedelta(hours=12)
    assert now - timedelta(hours=1) < created[-1] < now
    assert {"delivered", "failed", "pending"} >= set(Delivery.objects.values_list("status", flat=True))
    assert traffic.traffic(Span.MONTH, now).attempts == Attempt.objects.count()


def test_refuses_a_database_that_is_in_use_unless_forced():
    SubscriberFactory()
    with pytest.raises(CommandError, match=r"has events or subscribers already.*--force"):
        seed("--deliveries", "10")
    assert not Endpoint.objects.exists()
    seed("--deliveries", "10", "--force")
    assert Delivery.objects.count() == 10


@pytest.mark.parametrize("arguments", [["--deliveries", "0"], ["--days", "0"], ["--days", "1000"]])
def test_refuses_what_makes_no_sense(arguments: list[str]):
    with pytest.raises(CommandError, match="Give at least 1 delivery"):
        seed(*arguments)
