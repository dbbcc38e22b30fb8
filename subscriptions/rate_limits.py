"""How many requests an API key may send in a minute, counted in Redis for all processes together.

Whoever has a limit costs one round trip a request, everybody else nothing. While Redis does not answer nobody is
held back: after each failure it is left alone for some seconds, so that few requests wait for it.
"""

import logging
import time
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

WINDOW = 60
_KEY = "webhooks:api-requests:"
_COUNT = """
local sent = redis.call('INCR', KEYS[1])
if sent == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {sent, redis.call('PTTL', KEYS[1])}
"""


class _Breaker:
    """Whether Redis is to be left alone, in this process."""

    closed_at = 0.0


@dataclass(frozen=True, slots=True)
class Count:
    """How much of `limit` is left in the window that ends in `resets_in` seconds. Below 0: too much was sent."""

    limit: int
    left: int
    resets_in: int


def count(api_key: str, limit: int) -> Count | None:
    """Count a request of a key that may send `limit` of them in a minute. None while Redis does not answer."""
    if time.monotonic() < _Breaker.closed_at:
        return None
    try:
        sent, milliseconds = _script(settings.WEBHOOKS.wake_timeout)(keys=[_KEY + api_key], args=[WINDOW * 1000])
    except redis.RedisError as error:
        _Breaker.closed_at = time.monotonic() + settings.WEBHOOKS.wake_pause
        logger.warning("Redis was not reached, requests of the API are not limited for a while: %s", error)
        return None
    return Count(limit, limit - sent, ceil(milliseconds / 1000))


@lru_cache(maxsize=2)
def _script(timeout: float) -> redis.commands.core.Script:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )
    return client.register_script(_COUNT)
