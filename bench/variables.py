"""The environment variables by which a run tells the processes of its scenarios what to use."""

import os
from collections.abc import Mapping

DATABASE_SERVER = "BENCH_DATABASE_SERVER"
# Receivers are on loopback, which the dispatcher would refuse.
_ALLOWED_NETWORKS = "127.0.0.0/8"


def of_run(*, database_url: str, server_url: str, redis_url: str) -> Mapping[str, str]:
    """Return the environment of a scenario: ours, on these servers, with loopback allowed."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "webhooks_project.settings",
        "SECRET_KEY": "only-for-the-bench",
        "WEBHOOKS_ENCRYPTION_KEYS": "b25seS1mb3ItdGhlLWJlbmNoLW9ubHktZm9yLWJlbmM=",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "WEBHOOKS_ALLOWED_NETWORKS": _ALLOWED_NETWORKS,
        DATABASE_SERVER: server_url,
    }
