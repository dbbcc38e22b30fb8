"""A made-up past for demonstrations: who receives, what was published, and how each delivery went. Pure but for chance.

What is made looks like a platform that has run for a month: days and nights, few large subscribers and many small ones,
endpoints that are well, flaky, slow, broken, or gone.
"""

import json
import math
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dispatch.states import DeliveryStatus, Outcome

EVENT_TYPES = (
    "invoice.created",
    "invoice.paid",
    "invoice.overdue",
    "customer.created",
    "customer.updated",
    "order.created",
    "order.shipped",
    "order.refunded",
    "user.signed_up",
    "subscription.renewed",
)
NAMES = ("Acme", "Globex", "Initech", "Umbrella", "Hooli", "Stark", "Wayne", "Wonka", "Cyberdyne", "Tyrell", "Soylent")
KINDS = ("Logistics", "Foods", "Energy", "Media", "Health", "Robotics", "Travel", "Insurance")
PURPOSES = ("billing", "crm", "warehouse", "analytics", "support", "search")
_DAY_AND_NIGHT = 0.7
_DAY = 86400.0
# Requests that go over a connection that was open already.
_CONNECTED = 0.7


@dataclass(frozen=True, slots=True)
class Habit:
    """How an endpoint behaves: its usual failure, how often that happens, and how long its answers take."""

    outcome: Outcome
    status_code: int | None
    error: str
    chance: float
    median_ms: float
    failure_ms: float


WELL = Habit(Outcome.HTTP_ERROR, 503, "The receiver answered 503.", 0.004, 60, 90)
HABITS: Sequence[tuple[float, Habit]] = (
    (0.80, WELL),
    (0.08, Habit(Outcome.HTTP_ERROR, 500, "The receiver answered 500.", 0.15, 120, 150)),
    (0.05, Habit(Outcome.TIMEOUT, None, "No complete answer came within 15 seconds.", 0.12, 2200, 15000)),
    (0.03, Habit(Outcome.CONNECTION_ERROR, None, "The connection was refused.", 1.0, 0, 8)),
    (0.02, Habit(Outcome.HTTP_ERROR, 401, "The receiver answered 401.", 1.0, 0, 45)),
    (0.02, Habit(Outcome.TLS_ERROR, None, "The certificate of the receiver has expired.", 1.0, 0, 30)),
)


class DemoEndpoint(NamedTuple):
    """An endpoint as deliveries see it."""

    id: uuid.UUID
    habit: Habit
    head: uuid.UUID


class DemoSubscriber(NamedTuple):
    """Who receives, and with what part of all events."""

    id: uuid.UUID
    endpoints: Sequence[DemoEndpoint]
    weight: float


class Rows(NamedTuple):
    """Rows of events, deliveries and attempts, each in the order of its columns."""

    events: list[tuple[Any, ...]]
    deliveries: list[tuple[Any, ...]]
    attempts: list[tuple[Any, ...]]


EVENT_COLUMNS = ("id", "type", "subscriber_id", "payload", "created_at")
DELIVERY_COLUMNS = (
    *("id", "event_id", "endpoint_id", "status", "next_attempt_at", "attempt_count", "claimed_by"),
    *("last_outcome", "last_status_code", "created_at", "finished_at"),
)
ATTEMPT_COLUMNS = (
    *("id", "delivery_id", "number", "outcome", "status_code", "error", "started_at", "duration_ms"),
    *("remote_address", "response_headers", "response_body", "worker"),
    *("dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "request_head_id"),
)
_HEADERS = json.dumps({"Content-Type": "application/json", "Server": "nginx"})


def habit(chance: random.Random) -> Habit:
    """Choose how an endpoint behaves."""
    return chance.choices([each for _, each in HABITS], [weight for weight, _ in HABITS])[0]


class Past:
    """Makes the rows of what happened in the days until `now`, about as many deliveries as asked for."""

    def __init__(
        self,
        subscribers: Sequence[DemoSubscriber],
        *,
        now: datetime,
        days: float,
        schedule: Sequence[float],
        seed: int,
    ) -> None:
        self._subscribers = subscribers
        self._weights = [each.weight for each in subscribers]
        self._now = now.timestamp()
        self._seconds = days * _DAY
        self._schedule = schedule
        self._chance = random.Random(seed)  # noqa: S311 - nothing is protected by it

    def batches(self, deliveries: int, *, size: int) -> Iterator[Rows]:
        """Yield all rows in parts of about `size` deliveries, the oldest first."""
        rows = Rows([], [], [])
        made = 0
        while (sofar := made + len(rows.deliveries)) < deliveries:
            if len(rows.deliveries) >= size:
                made = sofar
                yield rows
                rows = Rows([], [], [])
            self._event(self._moment(sofar / deliveries), deliveries - sofar, rows)
        yield rows

    def _moment(self, part: float) -> float:
        """Say when the event comes that this part of all comes before: more by day than by night."""
        even = self._now - self._seconds * (1 - part)
        # Its derivative never falls to zero, so that the order stays, and it ends now.
        wave = math.sin(math.tau * even / _DAY) - math.sin(math.tau * self._now / _DAY)
        return min(self._now, even + _DAY_AND_NIGHT * _DAY / math.tau * wave)

    def _event(self, at: float, most: int, rows: Rows) -> None:
        chance = self._chance
        at -= chance.random()
        subscriber = chance.choices(self._subscribers, self._weights)[0]
        number = chance.randrange(10**6)
        payload = f'{{"id":"obj_{number}","amount":{number % 10_000},"currency":"EUR","customer":"cus_{number % 997}"}}'
        event_id = self._id(at)
        rows.events.append((event_id, chance.choice(EVENT_TYPES), subscriber.id, payload, _time(at)))
        for endpoint in subscriber.endpoints[:most]:
            self._delivery(event_id, endpoint, at, rows)

    def _delivery(self, event_id: uuid.UUID, endpoint: DemoEndpoint, at: float, rows: Rows) -> None:
        delivery_id = self._id(at)
        due, number, outcome, code = at + 0.02, 0, "", None
        status = DeliveryStatus.PENDING
        ended: float | None = None
        while due <= self._now and status is DeliveryStatus.PENDING:
            number += 1
            succeeds = self._chance.random() >= endpoint.habit.chance
            row = self._attempt(delivery_id, number, endpoint, succeeds, due)
            rows.attempts.append(row)
            outcome, code = row[3], row[4]
            ended = due + row[7] / 1000
            if succeeds:
                status = DeliveryStatus.DELIVERED
            elif number > len(self._schedule):
                status = DeliveryStatus.FAILED
            else:
                due = ended + self._schedule[number - 1] * (1 + 0.1 * self._chance.random())
        is_over = status is not DeliveryStatus.PENDING
        rows.deliveries.append(
            (
                *(delivery_id, event_id, endpoint.id, status.value, None if is_over else _time(due), number),
                *("demo" if number else "", outcome, code, _time(at), _time(ended) if is_over and ended else None),
            )
        )

    def _attempt(
        self, delivery_id: uuid.UUID, number: int, endpoint: DemoEndpoint, succeeds: bool, at: float
    ) -> tuple[Any, ...]:
        habit = endpoint.habit
        took = (habit.median_ms if succeeds else habit.failure_ms) * self._chance.lognormvariate(0, 0.5)
        took = max(1, round(min(15_000, took)))
        answered = succeeds or habit.status_code is not None
        return (
            *(self._id(at + took / 1000), delivery_id, number),
            *((Outcome.SUCCESS.value, 200, "") if succeeds else (habit.outcome.value, habit.status_code, habit.error)),
            *(_time(at), took, "192.0.2.10:443" if answered else "", _HEADERS if answered else "{}"),
            *('{"ok":true}' if succeeds else '{"error":"try again later"}' if answered else "", "demo"),
            *(self._parts(took) if answered else (None, None, None, None)),
            endpoint.head,
        )

    def _parts(self, took: int) -> tuple[int | None, ...]:
        """Divide a duration. Most connections were open already."""
        if self._chance.random() < _CONNECTED:
            return None, None, None, took * 9 // 10
        return took // 10, took // 5, took // 4, took * 2 // 5

    def _id(self, at: float) -> uuid.UUID:
        """Make a UUID version 7 of that moment."""
        bits = self._chance.getrandbits(74)
        return uuid.UUID(int=int(at * 1000) << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1)


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def subscriber_number(number: int) -> tuple[str, str, str]:
    """Give the name, uid and host of a made-up subscriber. `.example` leads nowhere (RFC 2606)."""
    title = f"{NAMES[number % len(NAMES)]} {KINDS[number % len(KINDS)]}"
    uid = f"{title.lower().replace(' ', '-')}-{number + 1}"
    return title, uid, f"{uid}.example"
