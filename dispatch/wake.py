"""Waking workers: best effort, and nobody who publishes waits for it.

Lanes are rung from a thread of its own: at once where it has nothing to do, and otherwise some milliseconds
later, together with all that were asked for meanwhile. Every step has a time limit, a Redis that did not answer
is left alone for some seconds, and what is missed here is found by the sweep.
"""

import atexit
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

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
CHALLENGE = "dispatch.tasks.challenge"
FORGET = "dispatch.tasks.forget_idempotent_answers"
BULK = "dispatch.tasks.bulk"
TEST = "dispatch.tasks.test"
HEARTBEAT = "dispatch.tasks.heartbeat"
EMPTY = "dispatch.tasks.empty_deleted_endpoints"
ROLL_UP = "dispatch.tasks.roll_up"
WARN = "dispatch.tasks.warn_of_expiring_certificates"
TELL = "dispatch.tasks.tell_operators"
DELIVERIES = "deliveries"
HOUSEKEEPING = "housekeeping"
# How long a message that calls a pump may be on its way before another one is sent.
_CALL_SECONDS = 5.0
# Between two rounds of a process, for each time that it was asked meanwhile: a publisher in a hurry has many events
# rung in one, and one who publishes now and then waits for none.
_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE = 0.02


class _Breaker:
    """Whether Redis is to be left alone, in this process."""

    closed_at = 0.0


class _Ringer:
    """Rings lanes in a thread, which it starts when there is something to ring.

    Nothing is lost between two rounds: what is asked for while a round is under way is taken by the next one.
    """

    def __init__(self) -> None:
        # Lanes, and whether their gates are to be looked at anew.
        self._wanted: dict[uuid.UUID, bool] = {}
        self._asked = 0
        self._is_wanted = threading.Event()
        self._lock = threading.Lock()
        self._round = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, endpoint_ids: Iterable[uuid.UUID], *, anew: bool) -> None:
        """Have these lanes rung soon."""
        with self._lock:
            for each in endpoint_ids:
                self._wanted[each] = anew or self._wanted.get(each, False)
            self._asked += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
                self._thread.start()
        self._is_wanted.set()

    def ring(self) -> int:
        """Ring what was asked for, after the round that is under way. Return how often it was."""
        with self._round:
            with self._lock:
                wanted, self._wanted = self._wanted, {}
                asked, self._asked = self._asked, 0
            if wanted:
                _try(lambda: _ring_and_call(wanted))
        return asked

    def _run(self) -> None:
        while True:
            self._is_wanted.wait()
            self._is_wanted.clear()
            asked = 1
            try:
                asked = self.ring()
            except Exception:
                # Without this thread the process would ring nothing any more.
                logger.exception("lanes were not rung, the sweep will do it")
            time.sleep(min(asked * _PAUSE_SECONDS, _LONGEST_PAUSE))


_ringer = _Ringer()


def _renew() -> None:
    # A forked process has no thread of its parent, and the parent rings what it was asked for.
    global _ringer
    _ringer = _Ringer()


os.register_at_fork(after_in_child=_renew)


def wake(endpoint_ids: Iterable[uuid.UUID], *, anew: bool = False) -> None:
    """Have the lanes of these endpoints rung and a pump called, soon. Waits for nothing and raises nothing.

    Where an endpoint waits for its gate to open, nobody looks before that but if it is to be looked at `anew`.
    """
    if asked := set(endpoint_ids):
        _ringer.ask(asked, anew=anew)


@atexit.register
def finish() -> None:
    """Ring what was asked for and has not been rung yet."""
    _ringer.ring()


def _ring_and_call(wanted: Mapping[uuid.UUID, bool]) -> None:
    scheduled = lanes.connect(settings.WEBHOOKS.wake_timeout)
    are_heard = True
    for anew in set(wanted.values()):
        rung = {each: 0.0 for each, is_anew in wanted.items() if is_anew is anew}
        are_heard &= scheduled.ring(rung, anew=anew)
    if not are_heard:
        call_pump()


def call_fan_out() -> None:
    """Have the rest of a large fan-out done. Raises nothing if Redis does not answer."""
    _try(lambda: send(FAN_OUT, queue=HOUSEKEEPING))


def call_challenges() -> None:
    """Have the ownership challenges sent that are due. Raises nothing if Redis does not answer."""
    # A message that nobody took until the next sweep is of no use: that one sends another.
    _try(lambda: send(CHALLENGE, queue=HOUSEKEEPING, expires=settings.WEBHOOKS.sweep_interval))


def call_bulk_jobs() -> None:
    """Have bulk jobs gone on with. Raises nothing if Redis does not answer."""
    _try(lambda: send(BULK, queue=HOUSEKEEPING))


def call_emptying() -> None:
    """Have cancelled what waits for endpoints that were deleted. Raises nothing if Redis does not answer."""
    _try(lambda: send(EMPTY, queue=HOUSEKEEPING, expires=settings.WEBHOOKS.sweep_interval))


def call_test(delivery_id: uuid.UUID) -> None:
    """Have a test event sent. Raises nothing if Redis does not answer."""
    _try(lambda: send(TEST, queue=HOUSEKEEPING, kwargs={"delivery": str(delivery_id)}))


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


def send(task: str, *, queue: str, expires: float | None = None, kwargs: dict[str, Any] | None = None) -> None:
    """Send a message that starts a task, if somebody takes it before `expires` seconds are over.

    Raises `kombu.exceptions.OperationalError` where Redis does not answer.
    """
    with producers[_connection()].acquire(block=True, timeout=settings.WEBHOOKS.wake_timeout) as producer:
        current_app.send_task(task, kwargs=kwargs, queue=queue, producer=producer, retry=False, expires=expires)


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
