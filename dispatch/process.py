"""What one worker process keeps between the runs of its pump: the engine with its threads and connections."""

import threading
import uuid
from functools import lru_cache

from django.conf import settings

from dispatch import challenges, endpoint_tests
from dispatch.addresses import AddressPolicy
from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.engine import Engine
from dispatch.pump import Pump
from dispatch.requests_transport import Limits, RequestsTransport

# A request that is under way for longer than this part of the deadline marks its endpoint as slow.
_SLOW = 0.2


# An answer to a challenge has to be read, however little of other answers is kept.
_CHALLENGE_RESPONSE_LIMIT = 1024

_running = threading.Lock()
_challenging = threading.Lock()
_testing = threading.Lock()


def run_pump() -> None:
    """Run the pump once, with the engine of this process, unless it runs already, in another thread."""
    if _running.acquire(blocking=False):
        try:
            Pump(_engine(), _snapshots()).run()
        finally:
            _running.release()


def run_challenges() -> None:
    """Send the ownership challenges that are due, unless another thread of this process is doing it."""
    if _challenging.acquire(blocking=False):
        try:
            challenges.send_due(_challenge_engine())
        finally:
            _challenging.release()


def run_test(delivery_id: uuid.UUID) -> None:
    """Send a test event, after those that other threads of this process send."""
    with _testing:
        endpoint_tests.send(_test_engine(), delivery_id)


def address_policy() -> AddressPolicy:
    """Return what this installation lets deliveries reach."""
    configured = settings.WEBHOOKS
    return AddressPolicy(
        allowed_networks=configured.allowed_networks,
        allowed_ports=configured.allowed_ports,
        # On a developer's own machine nobody has certificates.
        https_only=False if settings.DEBUG and configured.https_only is None else configured.https_only,
    )


@lru_cache(maxsize=1)
def _engine() -> Engine:
    return _new_engine(settings.WEBHOOKS.concurrency, settings.WEBHOOKS.response_limit)


@lru_cache(maxsize=1)
def _challenge_engine() -> Engine:
    """Make an engine like that of deliveries, whose results no pump takes for its own."""
    # Nobody has shown yet to answer quickly, and those get half of the slots at most.
    return _new_engine(2 * challenges.AT_ONCE, max(settings.WEBHOOKS.response_limit, _CHALLENGE_RESPONSE_LIMIT))


@lru_cache(maxsize=1)
def _test_engine() -> Engine:
    return _new_engine(1, settings.WEBHOOKS.response_limit)


def _new_engine(concurrency: int, response_limit: int) -> Engine:
    configured = settings.WEBHOOKS
    transport = RequestsTransport(
        Limits(
            concurrency=concurrency,
            deadline=configured.request_deadline,
            connect_timeout=configured.connect_timeout,
            response_limit=response_limit,
            idle_connections=configured.idle_connections,
            idle_seconds=configured.idle_seconds,
            ca_file=configured.ca_file,
            dns_timeout=configured.dns_timeout,
            policy=address_policy(),
            proxy=configured.egress_proxy,
            proxy_resolves=configured.egress_proxy_resolves,
            token_lifetime=configured.token_lifetime,
        )
    )
    return Engine(
        transport,
        concurrency=concurrency,
        largest_window=configured.lane_window_max,
        slow_after=_SLOW * configured.request_deadline,
        user_agent=settings.WEBHOOKS_USER_AGENT,
    )


@lru_cache(maxsize=1)
def _snapshots() -> EndpointSnapshots:
    return EndpointSnapshots()
