"""`make demo`: events published over the REST API, delivered to two receivers, one of which fails at first."""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.client import CallFailed, Client
from examples.client.models import DeliveryWithAttempts, EventWithData, NewEvent
from subscriptions import signing_secrets
from webhooks_project.stack import StackError, environment, receivers
from webhooks_project.stack.receivers import Listening, Receiver
from webhooks_project.stack.services import ROOT, Stack, running
from webhooks_project.stack.table import deliveries_table
from webhooks_project.stack.verdict import problems

EVENTS = ROOT / "examples" / "events.jsonl"
_FINAL = {"delivered", "failed", "cancelled"}
_DELIVERY_SECONDS = 40
_POLL_SECONDS = 0.2
_FAILURES = 3
_TOLD = 10


@dataclass(frozen=True, slots=True)
class Subscription:
    """A receiver that is subscribed: the ids of its subscriber and of its endpoint."""

    listening: Listening
    subscriber: str
    endpoint: str

    @property
    def name(self) -> str:
        return self.listening.receiver.name


def run(directory: Path, console: Console) -> int:
    """Run the demo with fresh files in `directory`. Raises `StackError` unless everything arrives as it should."""
    os.environ.setdefault("WEBHOOKS_RETRY_SCHEDULE", "0.5,1,2")
    # On a database that was given others may be subscribed, whom a demo must not reach.
    others_possible = bool(os.environ.get("DATABASE_URL"))
    _clear(directory)
    console.print("Starting the dispatcher and two receivers …")
    with running(directory, default_port=0) as stack:
        console.print(f"It answers on {stack.credentials.base_url}, its files are in {directory}", soft_wrap=True)
        try:
            _run(stack, others_possible, console)
        except CallFailed as error:
            raise StackError(str(error)) from None
    return 0


def _run(stack: Stack, others_possible: bool, console: Console) -> None:
    with Client(stack.credentials.base_url, stack.credentials.api_key) as api:
        subscriptions = [
            _subscribe(api, listening) for listening in receivers.start(_receivers(), stack.processes, stack.directory)
        ]
        audiences = [each.subscriber for each in subscriptions] if others_possible else [None]
        _deliver(stack, api, subscriptions, audiences, console)


def _clear(directory: Path) -> None:
    with environment.claimed(directory):
        for entry in directory.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            # A database that DATABASE_URL names keeps what was encrypted.
            elif entry.name not in {environment.LOCK, environment.ENCRYPTION_KEYS}:
                entry.unlink()


def _receivers() -> list[Receiver]:
    return [
        Receiver(name="billing", scheme="standard", secret=signing_secrets.generate()),
        Receiver(name="warehouse", scheme="x-signature", secret=signing_secrets.generate(), failures=_FAILURES),
    ]


def _subscribe(api: Client, listening: Listening) -> Subscription:
    receiver = listening.receiver
    subscriber = api.create_subscriber({"name": f"The demo's {receiver.name}"})["id"]
    endpoint = api.create_endpoint(
        {
            "subscriber": subscriber,
            "url": listening.url,
            "event_types": ["*"],
            "signature_schemes": [receiver.scheme],
            "secret": receiver.secret,
            "description": f"Demo: fails {receiver.failures} times first" if receiver.failures else "Demo",
        }
    )["id"]
    return Subscription(listening, subscriber, endpoint)


def _deliver(
    stack: Stack,
    api: Client,
    subscriptions: Sequence[Subscription],
    audiences: Sequence[str | None],
    console: Console,
) -> None:
    lines = EVENTS.read_text(encoding="utf-8").splitlines()
    started = time.monotonic()
    with _progress(console) as progress:
        events = _publish(api, lines, audiences, progress)
        deliveries = _await_final(stack, api, subscriptions, len(lines) * len(subscriptions), progress)
    seconds = time.monotonic() - started
    by_event = sorted((delivery for each in deliveries.values() for delivery in each), key=itemgetter("event"))
    console.print(deliveries_table(by_event, {each.endpoint: each.name for each in subscriptions}))
    if wrong := _wrong(events, subscriptions, deliveries):
        more = [f"… and {len(wrong) - _TOLD} more."] if len(wrong) > _TOLD else []
        logs = f"The logs are in {stack.directory / 'log'}"
        raise StackError("\n".join(["Not everything arrived as it should.", *wrong[:_TOLD], *more, logs]))
    console.print(
        f"{len(by_event)} deliveries of {len(events)} events: all arrived and were verified, within {seconds:.1f} s."
    )


def _wrong(
    events: Sequence[EventWithData],
    subscriptions: Sequence[Subscription],
    deliveries: Mapping[str, Sequence[DeliveryWithAttempts]],
) -> list[str]:
    found = []
    for each in subscriptions:
        expected = [event["id"] for event in events if event["subscriber"] in (None, each.subscriber)]
        listening = each.listening
        for problem in problems(expected, listening.receiver.failures, deliveries[each.endpoint], listening.received()):
            found.append(f"{each.name}: {problem}")
    return found


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _publish(
    api: Client, lines: Sequence[str], audiences: Sequence[str | None], progress: Progress
) -> list[EventWithData]:
    bar = progress.add_task("Published", total=len(lines) * len(audiences))
    events = []
    for line in lines:
        for subscriber in audiences:
            event: NewEvent = json.loads(line)
            event["subscriber"] = subscriber
            events.append(api.publish(event))
            progress.advance(bar)
    return events


def _await_final(
    stack: Stack, api: Client, subscriptions: Sequence[Subscription], count: int, progress: Progress
) -> dict[str, list[DeliveryWithAttempts]]:
    """Return the deliveries by endpoint, when all `count` are final or the time is up."""
    bar = progress.add_task("Delivered", total=count)
    deadline = time.monotonic() + _DELIVERY_SECONDS
    while True:
        stack.processes.check()
        deliveries = {each.endpoint: list(api.deliveries(endpoint=each.endpoint))[::-1] for each in subscriptions}
        final = sum(delivery["status"] in _FINAL for each in deliveries.values() for delivery in each)
        progress.update(bar, completed=final)
        if final >= count or time.monotonic() > deadline:
            return deliveries
        time.sleep(_POLL_SECONDS)
