"""What every Celery worker of the project does beside its tasks: it looks after the lanes, and stops gently."""

import gc
import logging
from typing import Any

from celery import Celery, bootsteps, signals
from django.conf import settings
from django.db.backends.signals import connection_created
from kombu.exceptions import OperationalError
from redis import RedisError

from dispatch import heartbeats, lanes, stopping, wake
from dispatch.sql import plan_once
from dispatch.sweep import OVERDUE

logger = logging.getLogger(__name__)

_INTERVAL = 1.0
_REDIS_TIMEOUT = 0.5
# A claim alone makes thousands of objects, of which hardly any is garbage before all of it has been sent.
_GC_THRESHOLDS = 10_000, 10, 10


class LookAfterLanes(bootsteps.StartStopStep):
    """Every second: calls a pump if a lane waits, and a sweep if there has been none for too long.

    A retry falls due, a message gets lost, beat is down: no worker needs another one to notice.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._entries: list[Any] = []

    def start(self, consumer: Any) -> None:
        """Begin to look, with the consumer's timer."""
        queues = list(consumer.app.amqp.queues.consume_from)
        every = consumer.timer.call_repeatedly
        self._entries = [every(_INTERVAL, look, (queues,)), every(heartbeats.INTERVAL, beat, (queues,))]

    def stop(self, consumer: Any) -> None:
        """Stop looking."""
        for entry in self._entries:
            entry.cancel()
        self._entries = []


def look(queues: list[str]) -> None:
    """Look once. `queues` are those that the worker consumes, one of which a sweep is sent to."""
    scheduled = lanes.connect(_REDIS_TIMEOUT)
    try:
        if scheduled.count_waiting():
            wake.call_pump()
        if scheduled.is_sweep_overdue(OVERDUE * settings.WEBHOOKS.sweep_interval):
            wake.send(wake.SWEEP, queue=queues[0])
    except (RedisError, OperationalError) as error:
        logger.warning("Redis was not reached: %s", error)


def beat(queues: list[str]) -> None:
    """Have it noted, by a task on each of `queues`, that they are consumed."""
    try:
        for queue in queues:
            wake.send(wake.HEARTBEAT, queue=queue, expires=heartbeats.INTERVAL, kwargs={"role": queue})
    except (RedisError, OperationalError) as error:
        logger.warning("Redis was not reached: %s", error)


def install(app: Celery) -> None:
    """Add the steps to the workers of `app`."""
    app.steps["consumer"].add(LookAfterLanes)
    signals.worker_init.connect(_prepare, weak=False)
    signals.worker_shutting_down.connect(_announce_stop, weak=False)


def _prepare(**_: Any) -> None:
    # Before the pool is forked, whose processes connect by themselves.
    connection_created.connect(plan_once)
    # What is loaded now stays for as long as the process does. Looking through it for garbage again and again took an
    # eighth of the time of a worker that meets new endpoints all the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _announce_stop(**_: Any) -> None:
    stopping.announce()
