"""What a worker knows of the endpoints that it sends to, read at most a second or two ago."""

import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.utils import timezone

from dispatch.signing import Signer
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState, SignatureScheme, SigningSecret

_KEPT_SECONDS = 1.0
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class EndpointSnapshot:
    """An endpoint as a request needs it. The newest of its valid secrets comes first."""

    id: uuid.UUID
    url: str
    state: EndpointState
    signer: Signer


class EndpointSnapshots:
    """Snapshots by endpoint id, each read again once it is older than a second."""

    def __init__(self) -> None:
        self._known: dict[uuid.UUID, tuple[float, EndpointSnapshot]] = {}

    def get(self, endpoint_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, EndpointSnapshot]:
        """Return the snapshots of the endpoints that exist."""
        oldest = time.monotonic() - _KEPT_SECONDS
        stale = [each for each in endpoint_ids if each not in self._known or self._known[each][0] < oldest]
        if stale:
            self._read(stale)
        return {each: self._known[each][1] for each in endpoint_ids if each in self._known}

    def forget(self, endpoint_id: uuid.UUID) -> None:
        """Read this endpoint again when it is asked for next."""
        self._known.pop(endpoint_id, None)

    def _read(self, endpoint_ids: Collection[uuid.UUID]) -> None:
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        read_at = time.monotonic()
        secrets: dict[str, list[str]] = {}
        valid = SigningSecret.objects.valid(timezone.now()).filter(endpoint__id__in=endpoint_ids).order_by("-id")
        for endpoint_id, value in valid.values_list("endpoint_id", "value"):
            secrets.setdefault(endpoint_id, []).append(value)
        for endpoint in Endpoint.objects.filter(id__in=endpoint_ids):
            scheme = SignatureScheme(endpoint.signature_scheme)
            key = ids.decode("ep", endpoint.id)
            self._known[key] = (
                read_at,
                EndpointSnapshot(
                    id=key,
                    url=endpoint.url,
                    state=EndpointState(endpoint.state),
                    signer=Signer(
                        tuple(secrets.get(endpoint.id, ())),
                        standard=scheme.is_standard,
                        x_signature=scheme.is_x_signature,
                    ),
                ),
            )
