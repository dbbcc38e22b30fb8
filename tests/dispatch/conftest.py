"""Fixtures for tests of the dispatcher."""

import ssl
from collections.abc import Iterator

import pytest
import trustme
from django.conf import settings
from redis import Redis

from dispatch import wake


@pytest.fixture
def redis() -> Iterator[Redis]:
    """Connect to an empty Redis."""
    with Redis.from_url(settings.REDIS_URL) as client:
        # What tests before this one published may still be about to ring.
        wake.finish()
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Trust the authority beside the well-known ones."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
