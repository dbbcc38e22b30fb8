"""The Celery tasks: thin, and tolerant of keywords that they do not know, so that old and new workers can mix."""

import logging
import uuid
from datetime import UTC, datetime, timedelta
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
_DATABASE_LOST = (OperationalError, InterfaceError)


@shared_task(name=wake.PUMP)
def pump(**_: Any) -> None:
    """Serve the lanes."""
    process.run_pump()


@shared_task(name=wake.SWEEP)
def sweep_lanes(**_: Any) -> None:
    """Find what wake-ups missed and what killed workers left behind."""
    try:
        sweep.sweep(lanes.connect(_REDIS_TIMEOUT), datetime.now(UTC))
    except RedisError as error:
        logger.warning("Redis was not reached, the next sweep will try again: %s", error)
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.FAN_OUT)
def finish_fan_outs(**_: Any) -> None:
    """Create the deliveries that large fan-outs still lack."""
    try:
        fan_out.finish_all()
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.CHALLENGE)
def send_challenges(**_: Any) -> None:
    """Send the ownership challenges that are due."""
    try:
        process.run_challenges()
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.BULK)
def go_on_with_bulk_jobs(**_: Any) -> None:
    """Retry or cancel many deliveries, some of them now."""
    try:
        if bulk.run():
            wake.call_bulk_jobs()
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.EMPTY)
def empty_deleted_endpoints(**_: Any) -> None:
    """Cancel what is pending for endpoints that were deleted."""
    try:
        emptying.empty_all(datetime.now(UTC))
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.TEST)
def send_test(*, delivery: str, **_: Any) -> None:
    """Send a test event."""
    try:
        process.run_test(uuid.UUID(delivery))
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.HEARTBEAT)
def heartbeat(*, role: str, **_: Any) -> None:
    """Note that whoever asked for it works."""
    try:
        heartbeats.note(role, now=datetime.now(UTC))
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.ROLL_UP)
def roll_up(**_: Any) -> None:
    """Add up what was attempted, and count what waits."""
    try:
        rollups.run(datetime.now(UTC))
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.WARN)
def warn_of_expiring_certificates(**_: Any) -> None:
    """Log which endpoints' certificates end soon, and tell operators. Beat asks for it once a day."""
    try:
        expiring.tell_of_expiring(datetime.now(UTC))
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.TELL)
def tell_operators(**_: Any) -> None:
    """Tell operators what has to be looked for, and have the mails sent that are due. Beat asks for it."""
    now = datetime.now(UTC)
    try:
        exhausted.tell_of_exhausted(now)
        backlog.tell_of_backlog(now)
        mails.write_due(now)
        mails.forget(now)
        mailer.start()
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


@shared_task(name=wake.FORGET)
def forget_idempotent_answers(**_: Any) -> None:
    """Delete the remembered answers of the API that are too old to be given again. Beat asks for it every hour."""
    expired = datetime.now(UTC) - timedelta(seconds=settings.WEBHOOKS.idempotency_lifetime)
    try:
        while IdempotentAnswer.objects.forget(expired):
            pass
    except _DATABASE_LOST as error:
        _let_go_of_database(error)


def _let_go_of_database(error: Exception) -> None:
    logger.warning("the database was not reached, the next sweep will try again: %s", error)
    # Nobody else would: Celery is told to keep connections, also those that are lost.
    connection.close()
