"""The Celery tasks: thin, and tolerant of keywords that they do not know, so that old and new workers can mix."""

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from redis import RedisError

from dispatch import (
    backlog,
    bulk,
    emptying,
    exhausted,
    expiring,
    fan_out,
    heartbeats,
    lanes,
    mailer,
    mails,
    process,
    rollups,
    sweep,
    wake,
)
from subscriptions.models import IdempotentAnswer

logger = logging.getLogger(__name__)

_REDIS_TIMEOUT = 5.0


def _may_lose_the_database(work: Callable[..., None]) -> Callable[..., None]:
    """End the task quietly where the database is not reached: a sweep asks for it again."""

    @wraps(work)
    def task(**keywords: Any) -> None:
        try:
            work(**keywords)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database was not reached, the next sweep will try again: %s", error)
            # Nobody else would: Celery is told to keep connections, also those that are lost.
            connection.close()

    return task


@shared_task(name=wake.PUMP)
def pump(**_: Any) -> None:
    """Serve the lanes."""
    process.run_pump()


@shared_task(name=wake.SWEEP)
@_may_lose_the_database
def sweep_lanes(**_: Any) -> None:
    """Find what wake-ups missed and what killed workers left behind."""
    try:
        sweep.sweep(lanes.connect(_REDIS_TIMEOUT), datetime.now(UTC))
    except RedisError as error:
        logger.warning("Redis was not reached, the next sweep will try again: %s", error)


@shared_task(name=wake.FAN_OUT)
@_may_lose_the_database
def finish_fan_outs(**_: Any) -> None:
    """Create the deliveries that large fan-outs still lack."""
    fan_out.finish_all()


@shared_task(name=wake.CHALLENGE)
@_may_lose_the_database
def send_challenges(**_: Any) -> None:
    """Send the ownership challenges that are due."""
    process.run_challenges()


@shared_task(name=wake.BULK)
@_may_lose_the_database
def go_on_with_bulk_jobs(**_: Any) -> None:
    """Retry or cancel many deliveries, some of them now."""
    if bulk.run():
        wake.call_bulk_jobs()


@shared_task(name=wake.EMPTY)
@_may_lose_the_database
def empty_deleted_endpoints(**_: Any) -> None:
    """Cancel what is pending for endpoints that were deleted."""
    emptying.empty_all(datetime.now(UTC))


@shared_task(name=wake.TEST)
@_may_lose_the_database
def send_test(*, delivery: str, **_: Any) -> None:
    """Send a test event."""
    process.run_test(uuid.UUID(delivery))


@shared_task(name=wake.HEARTBEAT)
@_may_lose_the_database
def heartbeat(*, role: str, **_: Any) -> None:
    """Note that whoever asked for it works."""
    heartbeats.note(role, now=datetime.now(UTC))


@shared_task(name=wake.ROLL_UP)
@_may_lose_the_database
def roll_up(**_: Any) -> None:
    """Add up what was attempted, and count what waits."""
    rollups.run(datetime.now(UTC))


@shared_task(name=wake.WARN)
@_may_lose_the_database
def warn_of_expiring_certificates(**_: Any) -> None:
    """Log which endpoints' certificates end soon, and tell operators. Beat asks for it once a day."""
    expiring.tell_of_expiring(datetime.now(UTC))


@shared_task(name=wake.TELL)
@_may_lose_the_database
def tell_operators(**_: Any) -> None:
    """Tell operators what has to be looked for, and have the mails sent that are due. Beat asks for it."""
    now = datetime.now(UTC)
    exhausted.tell_of_exhausted(now)
    backlog.tell_of_backlog(now)
    mails.write_due(now)
    mails.forget(now)
    mailer.start()


@shared_task(name=wake.FORGET)
@_may_lose_the_database
def forget_idempotent_answers(**_: Any) -> None:
    """Delete the remembered answers of the API that are too old to be given again. Beat asks for it every hour."""
    expired = datetime.now(UTC) - timedelta(seconds=settings.WEBHOOKS.idempotency_lifetime)
    while IdempotentAnswer.objects.forget(expired):
        pass
