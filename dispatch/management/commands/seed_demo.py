import random
import uuid
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dispatch import rollups
from dispatch.demo_data import (
    ATTEMPT_COLUMNS,
    DELIVERY_COLUMNS,
    EVENT_COLUMNS,
    EVENT_TYPES,
    PURPOSES,
    DemoEndpoint,
    DemoSubscriber,
    Past,
    habit,
    subscriber_number,
)
from dispatch.heads import head_of
from dispatch.models import Attempt, Delivery, Event, RequestHead, Rollup, RollupState
from dispatch.outbox.loading import Loader
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState, EventType, Subscriber
from subscriptions.payload_format import PayloadFormat

_SEED = 1
_BATCH = 20_000
_TOLD_EVERY = 500_000
# Every so many endpoints one is paused, and one was disabled by the dispatcher.
_PAUSED_EVERY = 23
_DISABLED_EVERY = 31


class Command(BaseCommand):
    help = (
        "Fill an empty database with a made-up past: subscribers, endpoints, events, deliveries and attempts of the "
        "last days. What is still pending at its end is sent by running workers, to hosts below .example, which do "
        "not exist."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--deliveries", type=int, default=100_000, help="How many. Default: 100,000.")
        parser.add_argument("--subscribers", type=int, default=40, help="How many. Default: 40.")
        parser.add_argument("--days", type=float, default=30, help="How far back the past goes. Default: 30.")
        parser.add_argument("--force", action="store_true", help="Also where there are events or subscribers already.")

    def handle(self, *, deliveries: int, subscribers: int, days: float, force: bool, **_: Any) -> None:
        if deliveries < 1 or subscribers < 1 or not 0 < days <= 365:
            raise CommandError("Give at least 1 delivery and 1 subscriber, and from 0 to 365 days.")
        if not force and (Event.objects.exists() or Subscriber.objects.exists()):
            raise CommandError(
                "This database has events or subscribers already, and what is made up cannot be told from them. "
                "Use an empty database, or add --force."
            )
        console = Console(file=cast("IO[str]", self.stdout), soft_wrap=True)
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
            self._seed(progress, deliveries, subscribers, days)
        self.stdout.write(
            f"Made {Event.objects.count():,} events, {Delivery.objects.count():,} deliveries and "
            f"{Attempt.objects.count():,} attempts."
        )

    def _seed(self, progress: Progress, deliveries: int, subscribers: int, days: float) -> None:
        now = timezone.now()
        task = progress.add_task("Subscribers", total=subscribers)
        audience = []
        for number in range(subscribers):
            audience.append(_subscriber(number))
            progress.advance(task)
        past = Past(audience, now=now, days=days, schedule=settings.WEBHOOKS.retry_schedule, seed=_SEED)
        loaders = (
            Loader(Event, EVENT_COLUMNS),
            Loader(Delivery, DELIVERY_COLUMNS),
            Loader(Attempt, ATTEMPT_COLUMNS),
        )
        task = progress.add_task("Deliveries", total=deliveries)
        made, told = 0, 0
        for rows in past.batches(deliveries, size=_BATCH):
            with transaction.atomic():
                for loader, part in zip(loaders, rows, strict=True):
                    loader.load(part)
            made += len(rows.deliveries)
            progress.update(task, completed=made)
            # Where a bar is not drawn anew, one is told all the same how far it is.
            if not progress.console.is_terminal and made - told >= _TOLD_EVERY:
                told = made
                self.stdout.write(f"{made:,} of {deliveries:,} deliveries")
                self.stdout.flush()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
        task = progress.add_task("Rollups", total=None)
        # What was counted before was counted without these.
        Rollup.objects.all().delete()
        RollupState.objects.all().delete()
        while not rollups.run(now, seconds=1):
            progress.advance(task)
        progress.update(task, total=1, completed=1)


@transaction.atomic
def _subscriber(number: int) -> DemoSubscriber:
    """Make a subscriber with one to three endpoints. The first are the largest."""
    chance = random.Random(_SEED + number)  # noqa: S311 - nothing is protected by it
    name, uid, host = subscriber_number(number)
    subscriber = Subscriber.objects.register(name=name, uid=f"{uid}-{uuid.uuid4().hex[:6]}")
    endpoints = []
    for purpose in chance.sample(PURPOSES, chance.choice((1, 1, 2, 3))):
        endpoint, _ = Endpoint.objects.register(
            subscriber=subscriber,
            url=f"https://{purpose}.{host}/webhooks",
            event_types=["*"],
            description=f"{name}: {purpose}",
        )
        endpoints.append(DemoEndpoint(ids.decode("ep", endpoint.pk), habit(chance), _head(endpoint)))
        _change_state(endpoint, number)
    for event_type in EVENT_TYPES:
        if not EventType.objects.filter(name=event_type).exists():
            EventType.objects.register(name=event_type)
    return DemoSubscriber(ids.decode("sub", subscriber.pk), endpoints, 1 / (number + 1))


def _change_state(endpoint: Endpoint, number: int) -> None:
    now = timezone.now()
    if number % _PAUSED_EVERY == _PAUSED_EVERY - 1:
        endpoint.change_state(EndpointState.PAUSED, reason="Paused by demo.", now=now)
    elif number % _DISABLED_EVERY == _DISABLED_EVERY - 1:
        endpoint.change_state(EndpointState.DISABLED, reason="The receiver answered 410: gone.", now=now)


def _head(endpoint: Endpoint) -> uuid.UUID:
    """Write how requests to an endpoint begin."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": settings.WEBHOOKS_USER_AGENT,
        "webhook-id": "evt",
        "webhook-timestamp": "0",
        "webhook-signature": "v1,demo",
    }
    head = head_of(
        endpoint.url, headers, message_id="evt", timestamp=0, has_token=False, payload_format=PayloadFormat.DATA
    )
    RequestHead.objects.get_or_create(
        id=head.id,
        defaults={
            "url": head.url,
            "headers": [list(each) for each in head.headers],
            "payload_format": head.payload_format,
        },
    )
    return head.id
