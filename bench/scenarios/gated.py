"""`gated`: what a claim costs with nothing else pending, and with a million deliveries that wait behind closed gates.

The same million waits for 500 endpoints behind one kind of gate after the other: they are paused, disabled with what
comes kept, have an open breaker, are over their rate limit, are ordered. Claims take 200 deliveries of 20 other
endpoints each, which nobody has claimed from before. Each is made twice in a row: there, and in a copy of the database
from before the million, so that what else happens to the machine happens to both.
"""

import contextlib
import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from bench import BenchError, accounting, databases, seeding
from bench.lab import Lab, surroundings
from bench.rows import Row, row
from bench.seeding import World
from dispatch import outbox
from dispatch.models import Delivery, EndpointHealth
from dispatch.sql import plan_once
from subscriptions import ids
from subscriptions.models import Endpoint

_LANES = 20
_PER_LANE = 10
_GATED = 500
_WORKER = "bench"
_FIRST = uuid.UUID(int=0)


class _Claims(NamedTuple):
    """What each claim took in all, and what of that on a CPU: what else the machine does only adds to the first."""

    seconds: list[float]
    costs: list[float]


class _Side(NamedTuple):
    """A database that is claimed from. `used` tells how many seconds of CPU we and it have taken."""

    connection: BaseDatabaseWrapper
    used: Callable[[], float]


def run(lab: Lab) -> Iterator[Row]:
    rounds = lab.size.pick(30, 200)
    waiting = lab.size.pick(50_000, 1_000_000)
    with lab.installation(hosts=1) as installation:
        # Each phase claims from endpoints of its own, whose part of the index nobody has touched.
        free = len(_CLOSE) * _LANES
        world = seeding.endpoints(free + _GATED, url=installation.url("'now'"))
        seeding.deliveries(world, free * (rounds + 1) * _PER_LANE, endpoint=f"n % {free}")
        keys = _endpoint_ids(world)
        lab.say("gated: copying the database")
        connections.close_all()
        with databases.copied(os.environ) as copy, _connected(copy) as elsewhere:
            lab.say(f"gated: writing {waiting:,} deliveries that wait")
            seeding.deliveries(world, waiting, endpoint=f"{free} + n % {_GATED}")
            alone, beside = _side(elsewhere), _side(connections[DEFAULT_DB_ALIAS])
            for number, (kind, close) in enumerate(_CLOSE.items()):
                lab.say(f"gated: claims beside {kind} endpoints")
                close(keys[free:])
                rooms = {ids.decode("ep", key): _PER_LANE for key in keys[number * _LANES : (number + 1) * _LANES]}
                claims = _claims([alone, beside], rooms, rounds)
                ratio = statistics.median(claims[1].costs) / statistics.median(claims[0].costs)
                notes = [f"{ratio:.2f} times what it costs alone"]
                yield _row(claims[0], f"none waiting ({kind})")
                yield _row(claims[1], f"{waiting:,} {kind}", ratio=ratio, sweep_ms=_sweep(), notes=notes)


def _row(claims: _Claims, variant: str, **figures: object) -> Row:
    return row(
        scenario="gated",
        variant=variant,
        **surroundings() | {"transport": None},
        claim_us=1e6 * statistics.median(claims.seconds),
        claim_p95_us=1e6 * statistics.quantiles(claims.seconds, n=20)[-1],
        claim_cpu_us=1e6 * statistics.median(claims.costs),
        **figures,
    )


def _claims(sides: Sequence[_Side], rooms: Mapping[uuid.UUID, int], rounds: int) -> Sequence[_Claims]:
    """Claim 200 again and again, from each side in turn, and leave out the first, which is planned."""
    claims = [_Claims([], []) for _ in sides]
    for side in sides:
        with _used_by_default(side.connection):
            _settle()
    for number in range(rounds + 1):
        # Whoever is second may find the caches better, or worse, than whoever is first.
        for each in (0, 1) if number % 2 else (1, 0):
            seconds, cost = _claim(sides[each], rooms)
            if number:
                claims[each].seconds.append(seconds)
                claims[each].costs.append(cost)
    return claims


def _claim(side: _Side, rooms: Mapping[uuid.UUID, int]) -> tuple[float, float]:
    with _used_by_default(side.connection):
        started_at, used_before = time.perf_counter(), side.used()
        claimed = outbox.claim(rooms, now=datetime.now(UTC), lease=3600, worker=_WORKER)
        took = time.perf_counter() - started_at, side.used() - used_before
    if len(claimed.claims) != _LANES * _PER_LANE:
        raise BenchError(f"A claim took {len(claimed.claims)} deliveries instead of {_LANES * _PER_LANE}.")
    return took


@contextlib.contextmanager
def _connected(database: str) -> Iterator[BaseDatabaseWrapper]:
    """Give the block a connection to another database of the server."""
    other = connections[DEFAULT_DB_ALIAS].copy()
    other.settings_dict["NAME"] = database
    try:
        yield other
    finally:
        other.close()


@contextlib.contextmanager
def _used_by_default(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    before = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = wrapper
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = before


def _side(wrapper: BaseDatabaseWrapper) -> _Side:
    plan_once(None, wrapper)
    with _used_by_default(wrapper):
        return _Side(wrapper, _used())


def _settle() -> None:
    """Have what was written go to the disk, if this user may: else it is claims that have to make room for it."""
    with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def _used() -> Callable[[], float]:
    """Return what tells how long we and the database's process that serves us have been on a CPU.

    Where that runs on another machine it is the time that passes.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = accounting.named(cursor.fetchone()[0], "postgres")
    if server is None:
        return time.perf_counter
    return lambda: time.process_time() + accounting.on_cpu_seconds(server)


def _pause(keys: Sequence[str]) -> None:
    Endpoint.objects.filter(id__in=keys).update(state="paused")


def _disable(keys: Sequence[str]) -> None:
    Endpoint.objects.filter(id__in=keys).update(state="disabled", when_disabled="keep")


def _break(keys: Sequence[str]) -> None:
    Endpoint.objects.filter(id__in=keys).update(state="active", when_disabled="drop")
    now = datetime.now(UTC)
    EndpointHealth.objects.bulk_create(
        EndpointHealth(endpoint_id=key, noted_at=now, pauses=1, closed_until=now + timedelta(days=1)) for key in keys
    )


def _limit(keys: Sequence[str]) -> None:
    EndpointHealth.objects.all().delete()
    Endpoint.objects.filter(id__in=keys).update(rate_limit=1, rate_period="hour")


def _order(keys: Sequence[str]) -> None:
    Endpoint.objects.filter(id__in=keys).update(ordered=True)
    Delivery.objects.filter(endpoint__in=keys).update(line="")


# From each kind of gate to what closes those of endpoints that were behind the one before.
_CLOSE: Mapping[str, Callable[[Sequence[str]], None]] = {
    "paused": _pause,
    "disabled": _disable,
    "broken": _break,
    "limited": _limit,
    "ordered": _order,
}


def _sweep() -> float:
    """Return how many milliseconds the sweep needs to find what is to be served."""
    started_at = time.perf_counter()
    for lanes_beyond in (outbox.pending_lanes, outbox.lined_lanes):
        lanes_beyond(after=_FIRST)
    return 1000 * (time.perf_counter() - started_at)


def _endpoint_ids(world: World) -> Sequence[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {world.endpoints.sql('n')} FROM generate_series(0, {world.count - 1}) AS series (n)")
        return sorted(ids.encode("ep", each) for (each,) in cursor.fetchall())
