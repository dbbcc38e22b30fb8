"""Whether the dispatcher is alive and can work, for load balancers, orchestrators and people."""

import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch import heartbeats, wake
from dispatch.api.described import LiveSerializer, ReadySerializer
from dispatch.models import Heartbeat
from subscriptions.api import problems

# Seconds. libpq takes nothing shorter for the database.
_REDIS_TIMEOUT = 1
_DATABASE_TIMEOUT = 2

# Seconds without a heartbeat that are no coincidence any more.
_STALE = 60
_EXPECTED = {
    heartbeats.BEAT: "Beat does not run, or no worker takes the queue housekeeping.",
    wake.DELIVERIES: "No worker takes the queue deliveries: nothing is sent.",
    wake.HOUSEKEEPING: "No worker takes the queue housekeeping: no tests, challenges and bulk jobs.",
    heartbeats.SWEEP: "Nobody sweeps: what a wake-up missed is not found.",
}

log = logging.getLogger(__name__)


class _ForEverybody(APIView):
    authentication_classes = ()
    permission_classes = ()


class Live(_ForEverybody):
    """The process answers. Nothing else is asked, so that trouble elsewhere gets no process restarted."""

    @extend_schema(responses=LiveSerializer)
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class Ready(_ForEverybody):
    """Everything that the process needs answers too."""

    @extend_schema(responses=ReadySerializer)
    def get(self, request: Request) -> Response:
        found = {name: check() for name, check in _CHECKS.items()}
        checks = {name: trouble or "ok" for name, trouble in found.items()}
        troubles = [trouble for trouble in found.values() if trouble]
        if not troubles:
            return Response({"status": "ready", "checks": checks, "work": _work(timezone.now())})
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return Response(
            problems.problem(status, " ".join(troubles)) | {"checks": checks},
            status,
            content_type=problems.CONTENT_TYPE,
        )


def _trouble_with_database() -> str:
    # A connection of its own: one that is open already may be dead without a sign, and wait for long.
    connection = connections.create_connection("default")
    if connection.vendor == "postgresql":
        options = {**connection.settings_dict["OPTIONS"], "connect_timeout": _DATABASE_TIMEOUT}
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.warning("The database did not answer: %s", error)
        return "The database cannot be reached: check that it runs and that DATABASE_URL is right."
    finally:
        connection.close()
    return ""


def _trouble_with_redis() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_REDIS_TIMEOUT,
        socket_connect_timeout=_REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    except redis.RedisError as error:
        log.warning("Redis did not answer: %s", error)
        return (
            "Redis cannot be reached: check that it runs and that REDIS_URL is right. "
            "Events are still accepted, and are delivered when it is back."
        )
    finally:
        client.close()
    return ""


def _work(now: datetime) -> dict[str, Any]:
    """Say how the work goes, which is done by others: no reason to take this process out of service."""
    rows = {row.role: row for row in Heartbeat.objects.all()}
    ages = {role: round((now - row.at).total_seconds(), 1) for role, row in rows.items()}
    stale = [role for role in _EXPECTED if ages.get(role, _STALE) >= _STALE]
    swept = rows.get(heartbeats.SWEEP)
    due = swept and swept.oldest_due_at
    return {
        "heartbeats": {role: {"seconds_ago": ages.get(role)} for role in _EXPECTED},
        # As of the last sweep.
        "oldest_due_seconds": round((now - due).total_seconds(), 1) if due else 0.0,
        "warnings": [f"{_EXPECTED[role]} No sign of it for {_STALE} seconds." for role in stale],
    }


_CHECKS: dict[str, Callable[[], str]] = {"database": _trouble_with_database, "redis": _trouble_with_redis}
