"""Waking workers: best effort, and never for long.

Whoever publishes is not made to wait for Redis: every step has a time limit, a Redis that did not answer is
left alone for some seconds, and what is missed here is found by the sweep.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterable
from functools import lru_cache

from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.pools import producers
from redis import RedisError

from dispatch import lanes

logger = logging.getLogger(__name__)

PUMP = "dispatch.tasks.pump"
SWEEP = "dispatch.tasks.sweep"
FAN_OUT = "dispatch.tasks.fan_out"
DELIVERIES = "deliveries"
HOUSEKEEPING = "housekeeping"
# How long a message that calls a pump may be on its way before another one is sent.
_CALL_SECONDS = 5.0


class _Breaker:
    """Whether Redis is to be left alone, in this process."""

    closed_at = 0.0


def wake(endpoint_ids: Iterable[uuid.UUID]) -> None:
    """Ring the lanes of these endpoints and call a pump. Raises nothing if Redis does not answer."""
    rung = dict.fromkeys(endpoint_ids, 0.0)

    def ring_and_call() -> None:
        if not lanes.connect(settings.WEBHOOKS.wake_timeout).ring(rung):
            call_pump()

    if rung:
        _try(ring_and_call)


def call_fan_out() -> None:
    """Have the rest of a large fan-out done. Raises nothing if Redis does not answer."""
    _try(lambda: send(FAN_OUT, queue=HOUSEKEEPING))


def _try(act: Callable[[], None]) -> None:
    if time.monotonic() < _Breaker.closed_at:
        return
    try:
        act()
    except (RedisError, OperationalError) as error:
        _Breaker.closed_at = time.monotonic() + settings.WEBHOOKS.wake_pause
        logger.warning("Redis was not reached, the sweep will wake the workers: %s", error)


def call_pump() -> None:
    """Send the message that starts a pump, unless one is on its way.

    Raises `redis.RedisError` or `kombu.exceptions.OperationalError` where Redis does not answer.
    """
    if not lanes.connect(settings.WEBHOOKS.wake_timeout).announce_call(_CALL_SECONDS):
        return
    send(PUMP, queue=DELIVERIES)


def send(task: str, *, queue: str) -> None:
    """Send a message that starts a task. Raises `kombu.exceptions.OperationalError` where Redis does not answer."""
    with producers[_connection()].acquire(block=True, timeout=settings.WEBHOOKS.wake_timeout) as producer:
        current_app.send_task(task, queue=queue, producer=producer, retry=False)


@lru_cache(maxsize=1)
def _connection() -> Connection:
    """Use a broker connection of our own, whose time limits are those of somebody who must not wait."""
    timeout = settings.WEBHOOKS.wake_timeout
    return current_app.connection_for_write(
        transport_options={
            **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry_on_timeout": False,
        }
    )
