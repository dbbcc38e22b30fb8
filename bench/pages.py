"""`python -m bench.pages`: how long the admin's pages take over many rows, and which plans the slow ones have.

Works on the database that `DATABASE_URL` names, filled by `manage.py seed_demo --deliveries N` shortly before: what is
measured of the last hour is measured of nothing a day later. Prints a table in Markdown: the median of the whole
request and of its part in the database, and the longest of the requests. `--plans 100` adds the plan of the slowest
statement of each page whose statements took longer than 100 ms.
"""

import argparse
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import django

if TYPE_CHECKING:
    from django.test import Client

_TIMES = 5
_SECRET = "only-for-measuring"  # noqa: S105


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=float, metavar="MS", help="Explain pages that took longer in the database.")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
    os.environ.setdefault("SECRET_KEY", _SECRET)
    os.environ.setdefault("ALLOWED_HOSTS", "testserver")
    django.setup()
    from dispatch.models import Delivery

    if not Delivery.objects.exists():
        print("There are no deliveries. Make some first: manage.py seed_demo --deliveries 10000000", file=sys.stderr)
        return 1
    client = _client()
    plans = []
    print("| page | ms | longest | of them in the database | statements |\n|---|---|---|---|---|")
    for name, address in _pages():
        took, longest, database, statements, slowest = _measure(client, address)
        print(f"| {name} | {took:.0f} | {longest:.0f} | {database:.0f} | {statements} |", flush=True)
        if arguments.plans is not None and database > arguments.plans:
            plans.append((name, slowest))
    for name, statement in plans:
        print(f"\n### {name}\n\n{statement}\n\n{_plan(statement)}")
    return 0


def _client() -> "Client":
    from django.contrib.auth.models import User
    from django.test import Client

    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    return client


def _pages() -> list[tuple[str, str]]:
    from django.contrib.admin.utils import quote
    from django.urls import reverse

    from dispatch.models import Attempt, Delivery, Event
    from subscriptions.models import Endpoint, Subscriber

    # The first subscriber has the most, the last the least.
    large, small = Subscriber.objects.order_by("pk")[0], Subscriber.objects.order_by("-pk")[0]
    busy, quiet = (Endpoint.objects.filter(subscriber=each).order_by("pk")[0] for each in (large, small))
    some = Delivery.objects.filter(status="failed").order_by("pk").first() or Delivery.objects.order_by("pk")[0]
    last = Attempt.objects.order_by("-pk")[0]

    def listed(app: str, model: str, **query: str) -> str:
        return f"{reverse(f'admin:{app}_{model}_changelist')}?{urlencode(query)}"

    def page(row: Event | Delivery | Attempt | Endpoint) -> str:
        name = f"{row._meta.app_label}_{row._meta.model_name}_change"
        return reverse(f"admin:{name}", args=[quote(row.pk)])

    whose = {
        "busy endpoint": {"endpoint": busy.pk},
        "quiet endpoint": {"endpoint": quiet.pk},
        "large subscriber": {"subscriber": large.uid or large.pk},
        "small subscriber": {"subscriber": small.uid or small.pk},
    }
    when = {"last hour": {"period": "1h"}, "30 days": {"period": "30d"}}
    code = {each: {"code": each[0]} for each in ("2xx", "3xx", "4xx", "5xx")} | {"no answer": {"code": "none"}}
    what = {"event type": {"event_type": "invoice.paid"}, "no such event type": {"event_type": "no.such"}}
    outcomes = ("success", "http_error", "timeout", "tls_error", "redirect")
    of_deliveries = (
        {"all": {}, "a page in the middle": {"before": some.pk}}
        | {status: {"status__exact": status} for status in ("pending", "sending", "delivered", "failed", "cancelled")}
        | {outcome: {"last_outcome__exact": outcome} for outcome in outcomes}
        | {**code, **what, **whose, **when}
        | {
            "busy endpoint, failed": {"endpoint": busy.pk, "status__exact": "failed"},
            "large subscriber, timeout": {**whose["large subscriber"], "last_outcome__exact": "timeout"},
            "small subscriber, 3xx": {**whose["small subscriber"], "code": "3"},
            "failed, 4xx, 30 days": {"status__exact": "failed", "code": "4", "period": "30d"},
            "search: delivery": {"q": some.pk},
            "search: event": {"q": some.event_id},
            "search: endpoint": {"q": busy.pk},
            "search: uid": {"q": large.uid or large.pk},
            "search: no such idempotency key": {"q": "order-4711"},
        }
    )
    of_attempts = (
        {"all": {}, "a page in the middle": {"before": Attempt.objects.filter(delivery=some).order_by("pk")[0].pk}}
        | {outcome: {"outcome__exact": outcome} for outcome in outcomes}
        | {**code, **what, **whose, **when}
        | {
            "busy endpoint, tls_error": {"endpoint": busy.pk, "outcome__exact": "tls_error"},
            "quiet endpoint, last hour": {"endpoint": quiet.pk, "period": "1h"},
            "search: event": {"q": some.event_id},
        }
    )
    subscribers = {name: query for name, query in whose.items() if "subscriber" in query}
    of_events = {"all": {}} | what | subscribers | when | {"search: event": {"q": some.event_id}}
    of_endpoints = {"all": {}, "disabled": {"state__exact": "disabled"}} | subscribers | when | {"search": {"q": "crm"}}
    return [
        ("dashboard, page", reverse("admin:index")),
        *((f"dashboard, figures of {each}", f"/admin/dashboard/?span={each}") for each in ("1h", "24h", "7d", "30d")),
        *((f"deliveries: {name}", listed("dispatch", "delivery", **query)) for name, query in of_deliveries.items()),
        *((f"attempts: {name}", listed("dispatch", "attempt", **query)) for name, query in of_attempts.items()),
        *((f"events: {name}", listed("dispatch", "event", **query)) for name, query in of_events.items()),
        *((f"endpoints: {name}", listed("subscriptions", "endpoint", **query)) for name, query in of_endpoints.items()),
        ("page of a busy endpoint", page(busy)),
        ("page of a quiet endpoint", page(quiet)),
        ("page of an event", page(some.event)),
        ("page of a delivery", page(some)),
        ("page of an attempt", page(last)),
    ]


def _measure(client: "Client", address: str) -> tuple[float, float, float, int, str]:
    """Return the median and the longest of some requests, the median in the database, and the slowest statement."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    took, of_database = [], []
    for _ in range(_TIMES):
        with CaptureQueriesContext(connection) as captured:
            started = time.perf_counter()
            response = client.get(address)
            took.append((time.perf_counter() - started) * 1000)
        if response.status_code != 200:
            raise SystemExit(f"{address}: {response.status_code}")
        of_database.append(sum(float(each["time"]) for each in captured.captured_queries) * 1000)
    slowest = max(captured.captured_queries, key=lambda each: float(each["time"]))["sql"]
    return statistics.median(took), max(took), statistics.median(of_database), len(captured), slowest


def _plan(statement: str) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {statement}".replace("%", "%%"), [])
        return "\n".join(f"    {row[0]}" for row in cursor.fetchall())


if __name__ == "__main__":
    sys.exit(main())
