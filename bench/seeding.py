"""Filling the database: many rows in few statements, as copies of rows that the product made itself.

A column that the product gets later comes along by itself. Copies are numbered from 0, and what differs between
them is SQL in which `n` is that number. No statistics are collected: a new installation has none either.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, connection, models, transaction

from dispatch.models import Delivery
from dispatch.publish import publish_event
from subscriptions.models import Endpoint, Subscriber

PAYLOAD_BYTES = 1024
_TEMPLATE_TYPE = "bench.template"


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of a row's copies: UUIDs version 7 of one millisecond, in the order of their numbers."""

    prefix: str

    def sql(self, number: str) -> str:
        """Return the id of the copy with a number, as SQL."""
        if connection.vendor == "postgresql":
            return f"('{self.prefix}' || lpad(to_hex({number}), 12, '0'))::uuid"
        return f"('{self.prefix}' || printf('%012x', {number}))"


@dataclass(frozen=True, slots=True)
class World:
    """Endpoints in groups of `fan_out`. Each group wants one event type, `event_type(group)`."""

    endpoints: Ids
    count: int
    fan_out: int

    @property
    def groups(self) -> int:
        return self.count // self.fan_out


def event_type(group: int) -> str:
    """Name the event type that a group of endpoints wants."""
    return f"bench.group-{group}"


def payload(number: int = 0) -> Mapping[str, str]:
    """Return data that is `PAYLOAD_BYTES` long as JSON."""
    text = f"{number:08d} "
    return {"text": text + "x" * (PAYLOAD_BYTES - len(text) - len('{"text":""}'))}


@transaction.atomic
def endpoints(count: int, *, url: str, fan_out: int = 1, group: str = "", subscriber: str = "n") -> World:
    """Make `count` endpoints. `url` is SQL; so are the numbers of their groups and subscribers.

    A group is `fan_out` endpoints in a row unless `group` says otherwise.
    """
    owner = Subscriber.objects.register(name="Template")
    template, secret = Endpoint.objects.register(
        subscriber=owner, url="http://127.0.0.1/", event_types=[_TEMPLATE_TYPE]
    )
    pattern = template.event_type_patterns.get()
    subscribers, made, secrets = _new_ids(), _new_ids(), _new_ids()
    _multiply(owner, count, {"id": subscribers.sql("n")})
    _multiply(template, count, {"id": made.sql("n"), "subscriber_id": subscribers.sql(f"({subscriber})"), "url": url})
    _multiply(secret, count, {"id": secrets.sql("n"), "endpoint_id": made.sql("n")})
    wanted = f"'bench.group-' || ({group or f'n / {fan_out}'})"
    _multiply(pattern, count, {"endpoint_id": made.sql("n"), "pattern": wanted})
    return World(made, count, fan_out)


@transaction.atomic
def deliveries(world: World, count: int, *, endpoint: str = "") -> int:
    """Make `count` pending deliveries that are due, with an event for every `world.fan_out` of them.

    Events go to one group after the other. `endpoint` is SQL for the number of a delivery's endpoint where it
    is to be another one. Return `count`.
    """
    _without_checks()
    published = publish_event(_TEMPLATE_TYPE, payload()).event
    delivery = Delivery.objects.get(event=published)
    fan_out, groups = world.fan_out, world.groups
    events, made = _new_ids(), _new_ids()
    _multiply(
        published,
        -(-count // fan_out),
        {"id": events.sql("n"), "type": f"'bench.group-' || (n % {groups})", "created_at": _moment(f"n * {fan_out}")},
    )
    to = endpoint or f"n / {fan_out} % {groups} * {fan_out} + n % {fan_out}"
    _multiply(
        delivery,
        count,
        {
            "id": made.sql("n"),
            "event_id": events.sql(f"n / {fan_out}"),
            "endpoint_id": world.endpoints.sql(f"({to})"),
            "created_at": _moment("n"),
            "next_attempt_at": _moment("n"),
        },
    )
    delivery.delete()
    published.delete()
    return count


def _multiply(template: models.Model, count: int, different: Mapping[str, str]) -> None:
    """Insert `count` copies of the row of `template`, with the columns that `different` gives SQL for."""
    fields = [field for field in template._meta.concrete_fields if not isinstance(field, models.AutoField)]
    columns = [field.column for field in fields]
    values = [different.get(column, f"template.{column}") for column in columns]
    table, key = template._meta.db_table, template._meta.pk
    if connection.vendor == "postgresql":
        series = f"generate_series(0, {count - 1}) AS series (n)"
    else:
        series = (
            f"(WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n < {count - 1}) "
            "SELECT n FROM series)"
        )
    copies = (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
        f"FROM {table} AS template CROSS JOIN {series} WHERE template.{key.column} = "
    )
    with connection.cursor() as cursor:
        cursor.execute(copies.replace("%", "%%") + "%s", [key.get_db_prep_value(template.pk, connection)])


def _without_checks() -> None:
    """Let PostgreSQL believe that foreign keys are right, if this user may: a million checks take their time."""
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
    except DatabaseError:
        return


def _new_ids() -> Ids:
    time.sleep(0.002)  # Two prefixes differ in their millisecond.
    value = uuid.UUID(int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | 2 << 62)
    return Ids(value.hex[:20])


def _moment(microseconds: str) -> str:
    """Return a time as SQL: two seconds ago and some microseconds later, at most a second."""
    start = (datetime.now(UTC) - timedelta(seconds=2)).strftime("%Y-%m-%d %H:%M:%S")
    if connection.vendor == "postgresql":
        return f"'{start}+00'::timestamptz + ({microseconds}) % 1000000 * interval '1 microsecond'"
    return f"'{start}' || printf('.%06d', ({microseconds}) % 1000000)"
