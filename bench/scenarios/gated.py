"""`gated`: what a claim costs with nothing else pending, and with a million deliveries that wait behind closed gates.

They wait for endpoints that are paused, disabled with what comes kept, behind an open breaker, over their rate limit,
or ordered. Claims take 200 deliveries of 20 other endpoints each.
"""

import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.db import connection

from bench import BenchError, seeding
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
_KINDS = 5
_WORKER = "bench"
_FIRST = uuid.UUID(int=0)


def run(lab: Lab) -> Iterator[Row]:
    rounds = lab.size.pick(30, 100)
    waiting = lab.size.pick(50_000, 1_000_000)
    with lab.installation(hosts=1) as installation:
        plan_once(None, connection)
        world = seeding.endpoints(2 * _LANES + _GATED, url=installation.url("'now'"))
        # Each phase claims from endpoints of its own, whose part of the index nobody has touched.
        count = 2 * (rounds + 1) * _LANES * _PER_LANE
        seeding.deliveries(world, count, endpoint=f"n % {2 * _LANES}")
        keys = _endpoint_ids(world)
        lab.say("gated: claims with nothing else pending")
        alone = _claims(keys[:_LANES], rounds)
        yield _row(alone, 0)
        lab.say(f"gated: writing {waiting:,} deliveries that wait")
        seeding.deliveries(world, waiting, endpoint=f"{2 * _LANES} + n % {_GATED}")
        _close(keys[2 * _LANES :])
        lab.say("gated: claims beside them")
        beside = _claims(keys[_LANES : 2 * _LANES], rounds)
        ratio = statistics.median(beside) / statistics.median(alone)
        sweeping = _sweep()
        yield _row(beside, waiting, ratio=ratio, sweep_ms=sweeping, notes=[f"{ratio:.2f} times as long as alone"])


def _row(claims: Sequence[float], waiting: int, **figures: object) -> Row:
    return row(
        scenario="gated",
        variant=f"{waiting:,} waiting",
        **surroundings() | {"transport": None},
        claim_us=1e6 * statistics.median(claims),
        claim_p95_us=1e6 * statistics.quantiles(claims, n=20)[-1],
        **figures,
    )


def _claims(keys: Sequence[str], rounds: int) -> Sequence[float]:
    """Return how many seconds each claim of 200 took, without the first, which is planned."""
    rooms = {ids.decode("ep", key): _PER_LANE for key in keys}
    seconds = []
    for _ in range(rounds + 1):
        started_at = time.perf_counter()
        claimed = outbox.claim(rooms, now=datetime.now(UTC), lease=3600, worker=_WORKER)
        seconds.append(time.perf_counter() - started_at)
        if len(claimed.claims) != _LANES * _PER_LANE:
            raise BenchError(f"A claim took {len(claimed.claims)} deliveries instead of {_LANES * _PER_LANE}.")
    return seconds[1:]


def _close(keys: Sequence[str]) -> None:
    """Close the gates of these endpoints, as many of each kind."""
    paused, kept, open_breaker, limited, ordered = (keys[kind::_KINDS] for kind in range(_KINDS))
    Endpoint.objects.filter(id__in=paused).update(state="paused")
    Endpoint.objects.filter(id__in=kept).update(state="disabled", when_disabled="keep")
    now = datetime.now(UTC)
    EndpointHealth.objects.bulk_create(
        EndpointHealth(endpoint_id=key, noted_at=now, pauses=1, closed_until=now + timedelta(days=1))
        for key in open_breaker
    )
    Endpoint.objects.filter(id__in=limited).update(rate_limit=1, rate_period="hour")
    Endpoint.objects.filter(id__in=ordered).update(ordered=True)
    Delivery.objects.filter(endpoint__in=ordered).update(line="")


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
