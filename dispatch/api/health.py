"""Whether the dispatcher is alive and can work, for load balancers, orchestrators and people."""

import logging
from collections.abc import Callable
from http import HTTPStatus

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api import problems

# Seconds. libpq takes nothing shorter for the database.
_REDIS_TIMEOUT = 1
_DATABASE_TIMEOUT = 2

log = logging.getLogger(__name__)


class _ForEverybody(APIView):
    authentication_classes = ()
    permission_classes = ()


class Live(_ForEverybody):
    """The process answers. Nothing else is asked, so that trouble elsewhere gets no process restarted."""

    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class Ready(_ForEverybody):
    """Everything that the process needs answers too."""

    def get(self, request: Request) -> Response:
        found = {name: check() for name, check in _CHECKS.items()}
        checks = {name: trouble or "ok" for name, trouble in found.items()}
        troubles = [trouble for trouble in found.values() if trouble]
        if not troubles:
            return Response({"status": "ready", "checks": checks})
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


_CHECKS: dict[str, Callable[[], str]] = {"database": _trouble_with_database, "redis": _trouble_with_redis}
