"""What a worker knows of the endpoints that it sends to, read at most two seconds ago."""

import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.utils import timezone

from dispatch.signing import Signer
from dispatch.sql import select_by_ids, to_uuid
from subscriptions.models import EndpointState, SignatureScheme

_KEPT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class EndpointSnapshot:
    """An endpoint as a request needs it. The newest of its valid secrets comes first."""

    id: uuid.UUID
    url: str
    state: EndpointState
    signer: Signer


class EndpointSnapshots:
    """Snapshots by endpoint id. Those in use are read again once a second, all together."""

    def __init__(self) -> None:
        self._known: dict[uuid.UUID, EndpointSnapshot] = {}
        self._used: set[uuid.UUID] = set()
        self._read_at = -math.inf

    def get(self, endpoint_ids: Collection[uuid.UUID], now: float) -> Mapping[uuid.UUID, EndpointSnapshot]:
        """Return the snapshots of the endpoints that exist. `now` is on the monotonic clock, in seconds."""
        if now - self._read_at > _KEPT_SECONDS:
            # What nobody asked for since the last time is not read again, but when it is asked for next.
            self._known = _read(self._used.union(endpoint_ids))
            self._used = set()
            self._read_at = now
        elif missing := [each for each in endpoint_ids if each not in self._known]:
            self._known |= _read(missing)
        self._used.update(endpoint_ids)
        return {each: self._known[each] for each in endpoint_ids if each in self._known}

    def forget(self, endpoint_id: uuid.UUID) -> None:
        """Read this endpoint again when it is asked for next."""
        self._known.pop(endpoint_id, None)


def _read(endpoint_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, EndpointSnapshot]:
    wanted = list(endpoint_ids)
    if not wanted:
        return {}
    rows = select_by_ids(
        "SELECT endpoint_id, value FROM subscriptions_signingsecret WHERE endpoint_id",
        wanted,
        "AND (expires_at IS NULL OR expires_at > %s) ORDER BY id DESC",
        timezone.now(),
    )
    secrets: dict[uuid.UUID, list[str]] = defaultdict(list)
    for endpoint_id, value in rows:
        secrets[to_uuid(endpoint_id)].append(value)
    rows = select_by_ids("SELECT id, url, state, signature_scheme FROM subscriptions_endpoint WHERE id", wanted)
    snapshots = (_snapshot(to_uuid(key), url, state, scheme, secrets) for key, url, state, scheme in rows)
    return {snapshot.id: snapshot for snapshot in snapshots}


def _snapshot(
    endpoint_id: uuid.UUID, url: str, state: str, scheme: str, secrets: Mapping[uuid.UUID, list[str]]
) -> EndpointSnapshot:
    chosen = SignatureScheme(scheme)
    signer = Signer(tuple(secrets[endpoint_id]), standard=chosen.is_standard, x_signature=chosen.is_x_signature)
    return EndpointSnapshot(endpoint_id, url, EndpointState(state), signer)
