"""What one worker process keeps between the runs of its pump: the engine with its threads and connections."""

import threading
from functools import lru_cache

from django.conf import settings

from dispatch.addresses import AddressPolicy
from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.engine import Engine
from dispatch.pump import Pump
from dispatch.requests_transport import Limits, RequestsTransport

# A request that is under way for longer than this part of the deadline marks its endpoint as slow.
_SLOW = 0.2


_running = threading.Lock()


def run_pump() -> None:
    """Run the pump once, with the engine of this process, unless it runs already, in another thread."""
    if _running.acquire(blocking=False):
        try:
            Pump(_engine(), _snapshots()).run()
        finally:
            _running.release()


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
    configured = settings.WEBHOOKS
    transport = RequestsTransport(
        Limits(
            concurrency=configured.concurrency,
            deadline=configured.request_deadline,
            connect_timeout=configured.connect_timeout,
            response_limit=configured.response_limit,
            idle_connections=configured.idle_connections,
            idle_seconds=configured.idle_seconds,
            ca_file=configured.ca_file,
            dns_timeout=configured.dns_timeout,
            policy=address_policy(),
        )
    )
    return Engine(
        transport,
        concurrency=configured.concurrency,
        largest_window=configured.lane_window_max,
        slow_after=_SLOW * configured.request_deadline,
        user_agent=settings.WEBHOOKS_USER_AGENT,
    )


@lru_cache(maxsize=1)
def _snapshots() -> EndpointSnapshots:
    return EndpointSnapshots()
