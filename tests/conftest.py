"""Fixtures for every test."""

import os
from urllib.parse import urlsplit

import pytest
import trustme
from django.conf import settings
from django.db import connection

from subscriptions.models import EventType


@pytest.fixture(scope="session")
def process_environment(django_db_setup: None) -> dict[str, str]:
    """Give the environment for a process that works on the tests' database and Redis.

    What it is to see must be committed: mark the test with `django_db(transaction=True)`.
    """
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        database_url = f"sqlite:///{name}"
    else:
        database_url = urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "webhooks_project.settings",
    }


@pytest.fixture(autouse=True)
def _unknown_event_types() -> None:
    """Have no test believe what another one's process knew of event types."""
    EventType.objects.forget()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Make an authority that issues certificates."""
    return trustme.CA()
