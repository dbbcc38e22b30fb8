"""`python -m bench.lists`: how long the API's lists take over many rows, and which plans they have.

Works on the empty PostgreSQL database that `DATABASE_URL` names, and leaves it full. Prints a table in Markdown and the
plan of each list's slowest statement.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import django

_ROWS = 1_000_000
_TIMES = 7
_SECRET = "only-for-measuring"  # noqa: S105

# Ids as the product makes them, spread over a week, and skewed: of 2,000 endpoints the first have the most. Of the
# deliveries 96 % were delivered, 2 % have failed, 1 % were cancelled, 1 % are pending; 200 types of events.
_FILL = """
CREATE FUNCTION pg_temp.made(n bigint) RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT '{end}'::timestamptz - interval '7 days' + n * interval '7 days' / {rows} $$;
CREATE FUNCTION pg_temp.id(n bigint, kind text) RETURNS uuid LANGUAGE sql AS
    $$ SELECT (lpad(to_hex((extract(epoch FROM pg_temp.made(n)) * 1000)::bigint), 12, '0') || '7' || kind || '8000'
               || lpad(to_hex(n), 12, '0'))::uuid $$;
SET session_replication_role = replica;
INSERT INTO subscriptions_subscriber ({subscriber_columns}) SELECT {subscriber_values}
FROM subscriptions_subscriber AS template CROSS JOIN generate_series(0, 999) AS series (n);
INSERT INTO subscriptions_endpoint ({endpoint_columns}) SELECT {endpoint_values}
FROM subscriptions_endpoint AS template CROSS JOIN generate_series(0, 1999) AS series (n);
INSERT INTO dispatch_event ({event_columns}) SELECT {event_values}
FROM dispatch_event AS template CROSS JOIN generate_series(0, {rows} - 1, 4) AS series (n);
INSERT INTO dispatch_delivery ({delivery_columns}) SELECT {delivery_values}
FROM dispatch_delivery AS template CROSS JOIN generate_series(0, {rows} - 1) AS series (n);
INSERT INTO dispatch_attempt ({attempt_columns}) SELECT {attempt_values}
FROM dispatch_attempt AS template CROSS JOIN generate_series(0, {rows} - 1) AS series (n);
SET session_replication_role = origin;
"""
_KIND = {"subscriber": "001", "endpoint": "002", "event": "003", "delivery": "004", "attempt": "005"}
_ENDPOINT = "(floor(500 * power((n / 4 * 7919 % 100003) / 100003.0, 3)) * 4 + n % 4)::bigint"
_BY_FATE = (
    "CASE WHEN n % 100 = 0 THEN {pending} WHEN n % 100 = 1 THEN {cancelled} WHEN n % 100 IN (2, 3) THEN {failed} "
    "ELSE {delivered} END"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=_ROWS)
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
    os.environ.setdefault("SECRET_KEY", _SECRET)
    os.environ.setdefault("ALLOWED_HOSTS", "testserver")
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor != "postgresql":
        print("DATABASE_URL must name an empty PostgreSQL database.", file=sys.stderr)
        return 1
    call_command("migrate", verbosity=0)
    names = _fill(arguments.rows)
    names_of = {text: name for name, text in names.items()}
    plans = []
    print("| list | ms | of them in the database | rows | statements |\n|---|---|---|---|---|")
    for path, query in _lists(names):
        milliseconds, database, rows, statements, plan = _measure(path, query)
        shown = "&".join(f"{name}={names_of.get(text, text)}" for name, text in query.items())
        print(
            f"| `{path}{'?' if shown else ''}{shown}` | {milliseconds:.0f} | {database:.0f} | {rows} | {statements} |",
            flush=True,
        )
        plans.append((f"{path}?{shown}", plan))
    for title, plan in plans:
        print(f"\n### {title}\n\n{plan}")
    return 0


def _fill(rows: int) -> dict[str, str]:
    """Make the rows as copies of some that the product made itself. Return what the lists are asked for."""
    from django.db import connection

    from dispatch.models import Attempt, Delivery
    from dispatch.publish import publish_event
    from subscriptions import ids
    from subscriptions.models import Endpoint, Subscriber

    owner = Subscriber.objects.register(name="Template")
    endpoint, _ = Endpoint.objects.register(subscriber=owner, url="https://receiver.example/")
    event = publish_event("bench.template", {"text": "x" * 500}, subscriber=owner).event
    delivery = Delivery.objects.get(event=event)
    attempt = Attempt.objects.create(
        delivery=delivery, number=1, outcome="success", started_at=delivery.created_at, duration_ms=12, status_code=200
    )
    made = {kind: f"pg_temp.id(n, '{number}')" for kind, number in _KIND.items()}

    def of(kind: str, number: str) -> str:
        return f"pg_temp.id({number}, '{_KIND[kind]}')"

    outcome = _BY_FATE.format(
        pending="''",
        cancelled="''",
        failed="CASE n % 7 WHEN 0 THEN 'timeout' ELSE 'http_error' END",
        delivered="'success'",
    )
    code = _BY_FATE.format(
        pending="NULL", cancelled="NULL", failed="CASE n % 7 WHEN 0 THEN NULL ELSE 500 END", delivered="200"
    )
    due = _BY_FATE.format(pending="now() + interval '1 day'", cancelled="NULL", failed="NULL", delivered="NULL")
    different: dict[str, tuple[Any, dict[str, str]]] = {
        "subscriber": (owner, {"uid": "'customer-' || n"}),
        "endpoint": (endpoint, {"subscriber_id": of("subscriber", "n / 2")}),
        "event": (
            event,
            {
                "type": "'bench.type-' || n / 4 % 200",
                "subscriber_id": of("subscriber", f"({_ENDPOINT}) / 2"),
                "created_at": "pg_temp.made(n)",
                "feed_position": "n / 4",
            },
        ),
        "delivery": (
            delivery,
            {
                "event_id": of("event", "n - n % 4"),
                "endpoint_id": of("endpoint", _ENDPOINT),
                "created_at": "pg_temp.made(n)",
                "status": _BY_FATE.format(
                    pending="'pending'", cancelled="'cancelled'", failed="'failed'", delivered="'delivered'"
                ),
                "next_attempt_at": due,
                "last_outcome": outcome,
                "last_status_code": code,
                "attempt_count": "1",
            },
        ),
        "attempt": (
            attempt,
            {
                "delivery_id": of("delivery", "n"),
                "started_at": "pg_temp.made(n)",
                "outcome": f"coalesce(nullif({outcome}, ''), 'dns_error')",
            },
        ),
    }
    texts = {"rows": str(rows), "end": datetime.now(UTC).isoformat()}
    for kind, (row, changes) in different.items():
        columns = [field.column for field in row._meta.concrete_fields]
        values = [{"id": made[kind], **changes}.get(column, f"template.{column}") for column in columns]
        texts |= {f"{kind}_columns": ", ".join(columns), f"{kind}_values": ", ".join(values)}
    statement = _FILL.format(**texts)
    with connection.cursor() as cursor:
        for each in statement.split(";\n"):
            if each.strip():
                cursor.execute(each.replace("%", "%%"), [])
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT endpoint_id, count(*) FROM dispatch_delivery GROUP BY 1 ORDER BY 2 DESC")
        busy, *_, quiet = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT id, event_id FROM dispatch_delivery ORDER BY id OFFSET %s LIMIT 1", [rows // 2])
        [(some_delivery, some_event)] = cursor.fetchall()
    middle = datetime.now(UTC) - timedelta(days=3)
    return {
        "busy": ids.encode("ep", busy),
        "quiet": ids.encode("ep", quiet),
        "busy_subscriber": str(Endpoint.objects.get(pk=ids.encode("ep", busy)).subscriber_id),
        "quiet_subscriber": str(Endpoint.objects.get(pk=ids.encode("ep", quiet)).subscriber_id),
        "delivery": ids.encode("dlv", some_delivery),
        "event": ids.encode("evt", some_event),
        "after": middle.isoformat().replace("+00:00", "Z"),
        "before": (middle + timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
    }


def _lists(names: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    day = {"created_after": names["after"], "created_before": names["before"]}
    return [
        ("deliveries/", {}),
        ("deliveries/", {"limit": "250"}),
        *(("deliveries/", {"endpoint": names[which]}) for which in ("busy", "quiet")),
        *(("deliveries/", {"subscriber": names[f"{which}_subscriber"]}) for which in ("busy", "quiet")),
        ("deliveries/", {"event": names["event"]}),
        ("deliveries/", {"event_type": "bench.type-7"}),
        ("deliveries/", {"event_type": "bench.none"}),
        *(("deliveries/", {"status": status}) for status in ("pending", "sending", "delivered", "failed", "cancelled")),
        *(("deliveries/", {"outcome": outcome}) for outcome in ("success", "timeout", "dns_error")),
        *(("deliveries/", {"response_class": each}) for each in ("2xx", "5xx", "3xx")),
        ("deliveries/", day),
        ("deliveries/", {"created_before": names["after"]}),
        ("deliveries/", {**day, "status": "failed", "endpoint": names["busy"]}),
        ("deliveries/", {"subscriber": names["busy_subscriber"], "outcome": "timeout", "limit": "250"}),
        ("deliveries/", {"subscriber": names["quiet_subscriber"], "status": "failed"}),
        ("deliveries/", {"status": "failed", "event_type": "bench.type-7", "response_class": "5xx"}),
        ("attempts/", {}),
        ("attempts/", {"outcome": "timeout"}),
        ("attempts/", {"outcome": "tls_error"}),
        ("attempts/", {"delivery": names["delivery"]}),
        ("attempts/", {"endpoint": names["busy"]}),
        ("attempts/", {"endpoint": names["busy"], "outcome": "tls_error"}),
        ("attempts/", {"subscriber": names["busy_subscriber"]}),
        ("attempts/", {"subscriber": names["quiet_subscriber"], **day}),
        ("attempts/", day),
        ("events/", {}),
        ("events/", {"type": "bench.type-7"}),
        ("events/", {"subscriber": names["busy_subscriber"]}),
        ("events/", {"subscriber": names["busy_subscriber"], "type": "bench.type-7"}),
        ("events/feed/", {"subscriber": names["busy_subscriber"], "limit": "250"}),
        ("events/feed/", {"subscriber": names["busy_subscriber"], "event_type": "bench.none"}),
        (f"endpoints/{names['busy']}/stats/", {"window": "7d"}),
    ]


def _measure(path: str, query: Mapping[str, str]) -> tuple[float, float, int, int, str]:
    """Return the median of some requests in milliseconds, how long the database took, rows, statements and a plan."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from subscriptions.models import ApiKey

    key = ApiKey.objects.generate("bench")[1]
    client = Client(headers={"Authorization": f"Bearer {key}"})
    took, of_database, rows = [], [], 0
    for _ in range(_TIMES):
        started = time.perf_counter()
        response = client.get(f"/api/v1/{path}", query)
        took.append((time.perf_counter() - started) * 1000)
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/api/v1/{path}", query)
        of_database.append(sum(float(each["time"]) for each in captured.captured_queries) * 1000)
        if response.status_code != 200:
            raise SystemExit(f"{path} {query}: {response.content.decode()}")
        rows = len(response.json().get("results", ()))
    slowest = max(captured.captured_queries, key=lambda each: float(each["time"]))["sql"]
    plan = ""
    if slowest.startswith("SELECT"):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {slowest}".replace("%", "%%"), [])
            plan = "\n".join(f"    {row[0]}" for row in cursor.fetchall())
    return statistics.median(took), statistics.median(of_database), rows, len(captured), plan


if __name__ == "__main__":
    sys.exit(main())
