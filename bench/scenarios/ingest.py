"""`ingest`: how many events one web process takes in, one in a request and a hundred, by their fan-out.

No worker runs: what is measured is how fast events and deliveries get into the database.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import accounting, publishing, seeding, web
from bench.accounting import Accounting
from bench.lab import Installation, Lab, server_pids, surroundings
from bench.latencies import Latencies
from bench.rows import Row, row
from bench.seeding import World
from bench.web import BATCH, EVENTS, Call, Web
from dispatch.models import Delivery, Event

_ENDPOINTS = 200
_AT_ONCE = 100
_BODIES = 20
_WARM_UP_SECONDS = 1.0

# How a batch may be written: the API for it came later than this scenario.
_FORMS_OF_BATCHES: Sequence[Callable[[list[Any]], Any]] = (lambda events: {"events": events}, lambda events: events)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was measured: CPU seconds by group of processes, and milliseconds from each request to its answer."""

    seconds: float
    cpu: Mapping[str, float]
    milliseconds: Sequence[float] = ()
    note: str = ""


def run(lab: Lab) -> Iterator[Row]:
    for at_once in (1, _AT_ONCE):
        for fan_out in (1, 10, 100):
            yield _measure(lab, fan_out, at_once)


def _measure(lab: Lab, fan_out: int, at_once: int) -> Row:
    seconds = lab.size.pick(2.0, 6.0)
    variant = f"{'single' if at_once == 1 else f'batches of {at_once}'}, fan-out {fan_out}"
    lab.say(f"ingest: {variant}")
    with lab.installation(hosts=1) as installation, web.serving(installation) as server:
        world = seeding.endpoints(_ENDPOINTS, url=installation.url("'now'"), fan_out=fan_out)
        calls = _calls(server, world, at_once)
        if calls:
            server.call(calls, seconds=_WARM_UP_SECONDS)
        events, deliveries = Event.objects.count(), Delivery.objects.count()
        taken = _through_web(server, calls, seconds) if calls else _by_a_process(installation, world, seconds)
        events, deliveries = Event.objects.count() - events, Delivery.objects.count() - deliveries
        notes = [taken.note] if taken.note else []
        if deliveries != events * fan_out:
            notes.append(f"{deliveries:,} deliveries of {events:,} events")
        return row(
            scenario="ingest",
            variant=variant,
            **surroundings() | {"transport": None},
            deliveries_per_s=deliveries / taken.seconds,
            **{f"{name}_us": 1e6 * used / events for name, used in taken.cpu.items()},
            **Latencies("request", taken.milliseconds).figures(),
            fan_out=fan_out,
            events_per_s=events / taken.seconds,
            requests_per_s=events / at_once / taken.seconds,
            db_share=taken.cpu["db"] / sum(taken.cpu.values()) if "db" in taken.cpu else None,
            notes=[f"{events / taken.seconds:,.0f} events/s", *notes],
        )


def _calls(server: Web, world: World, at_once: int) -> Sequence[Call]:
    """Write the requests that are sent in turn, or none where the API has no batches."""
    if at_once == 1:
        return [(EVENTS, _event(world, number)) for number in range(_BODIES)]
    form = next((form for form in _FORMS_OF_BATCHES if server.try_call(BATCH, form([_event(world, 0)])) < 300), None)
    if form is None:
        return []
    return [
        (BATCH, form([_event(world, number * at_once + each) for each in range(at_once)])) for number in range(_BODIES)
    ]


def _event(world: World, number: int) -> Mapping[str, Any]:
    return {"type": seeding.event_type(number % world.groups), "data": seeding.payload(number)}


def _through_web(server: Web, calls: Sequence[Call], seconds: float) -> _Taken:
    watched = Accounting({"worker": [server.pid], **server_pids()})
    before = watched.snapshot()
    answers = server.call(calls, seconds=seconds)
    used = accounting.between(before, watched.snapshot()).groups
    refused = {status: number for status, number in answers.statuses.items() if not status.startswith("2")}
    return _Taken(answers.seconds, used, answers.milliseconds, f"refused: {refused}" if refused else "")


def _by_a_process(installation: Installation, world: World, seconds: float) -> _Taken:
    """Do without an API for batches: call what it would call."""
    watched = Accounting(server_pids())
    before = watched.snapshot()
    published = publishing.publish(
        installation.lab.directory / "log",
        range(world.groups),
        count=10**9,
        seconds=seconds,
        in_transactions_of=_AT_ONCE,
    )
    used = {**accounting.between(before, watched.snapshot()).groups, "worker": published.cpu}
    note = f"the API has no {BATCH}: publish_event in a process, {_AT_ONCE} in a transaction"
    return _Taken(published.last_at - published.first_at, used, note=note)
