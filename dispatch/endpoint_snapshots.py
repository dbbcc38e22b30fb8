"""What a worker knows of the endpoints that it sends to, read at most two seconds ago."""

import json
import logging
import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from dispatch.access import Access, access_of
from dispatch.flow import Flow, Slowed, Trouble
from dispatch.gates import Limits
from dispatch.signing import Key, Signer, key_of
from dispatch.sql import select_by_ids, to_time, to_uuid
from dispatch.tls_settings import TlsSettings
from subscriptions import credentials, request_headers, signature_schemes
from subscriptions.credentials import InvalidCredentials
from subscriptions.encryption import EncryptionError, keyring
from subscriptions.models import EndpointState
from subscriptions.models.flow_control import RatePeriod, WhenDisabled, WhenHeadFails
from subscriptions.payload_format import PayloadFormat
from subscriptions.request_headers import InvalidHeader
from subscriptions.signature_schemes import InvalidScheme
from subscriptions.signing_secrets import InvalidSecret

_KEPT_SECONDS = 1.0
_STEPS_AT_MOST = 11

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EndpointSnapshot:
    """An endpoint as a request needs it. The newest of its valid secrets comes first."""

    id: uuid.UUID
    # Shown in no representation, so in no log: often a credential.
    url: str = field(repr=False)
    state: EndpointState
    signer: Signer
    # None without credentials and headers of its own.
    access: Access | None = None
    tls: TlsSettings | None = None
    payload_format: PayloadFormat = PayloadFormat.DATA
    # None: those of the installation. Seconds.
    retry_schedule: tuple[float, ...] | None = None
    timeout: float | None = None
    # None where nothing sets it apart.
    flow: Flow | None = None
    state_changed_at: datetime | None = None


# What a signer is made of, as it is stored: the schemes as JSON, and the encrypted secrets, newest first.
_Stored = tuple[str, tuple[str, ...]]
# The same of an access: kind, settings as JSON and encrypted secret of the credentials, and encrypted headers.
_StoredAccess = tuple[str | None, str | None, str | None, str | None]
_PLAIN = Flow()
_NO_ACCESS = (None, None, None, None)
# With what there is of an endpoint's access: nearly always nothing, and then it costs no statement of its own.
_ENDPOINTS = """
SELECT e.id, e.url, e.state, e.signature_schemes, e.payload_format, e.retry_schedule, e.timeout,
       t.digest, e.state_changed_at, c.kind, c.settings, c.secret, h.headers,
       COALESCE(e.rate_limit, s.rate_limit), CASE WHEN e.rate_limit IS NULL THEN s.rate_period ELSE e.rate_period END,
       e.max_in_flight, e.ordered, e.when_head_fails, e.when_disabled,
       health.noted_at, health.failing_since, health.pauses, health.closed_until,
       health.slowed_from, health.slowed_to, health.slowed_at
FROM subscriptions_endpoint e
JOIN subscriptions_subscriber s ON s.id = e.subscriber_id
LEFT JOIN dispatch_endpointhealth health ON health.endpoint_id = e.id
LEFT JOIN subscriptions_endpointtls t ON t.endpoint_id = e.id
LEFT JOIN subscriptions_endpointcredentials c ON c.endpoint_id = e.id
LEFT JOIN subscriptions_customheaders h ON h.endpoint_id = e.id
WHERE e.id"""


class EndpointSnapshots:
    """Snapshots by endpoint id. Those in use are read again once a second, all together."""

    def __init__(self) -> None:
        self._known: dict[uuid.UUID, EndpointSnapshot] = {}
        self._used: set[uuid.UUID] = set()
        self._read_at = -math.inf
        # Decrypting and decoding costs more than all the rest: what is stored as it was is not read anew.
        self._signers: dict[_Stored, Signer] = {}
        self._accesses: dict[_StoredAccess, Access] = {}

    def get(self, endpoint_ids: Collection[uuid.UUID], now: float) -> Mapping[uuid.UUID, EndpointSnapshot]:
        """Return the snapshots of the endpoints that exist. `now` is on the monotonic clock, in seconds."""
        if now - self._read_at > _KEPT_SECONDS:
            # What nobody asked for since the last time is not read again, but when it is asked for next.
            self._known, self._signers, self._accesses = self._read(self._used.union(endpoint_ids))
            self._used = set()
            self._read_at = now
        elif missing := [each for each in endpoint_ids if each not in self._known]:
            known, signers, accesses = self._read(missing)
            self._known |= known
            self._signers |= signers
            self._accesses |= accesses
        self._used.update(endpoint_ids)
        return {each: self._known[each] for each in endpoint_ids if each in self._known}

    def forget(self, endpoint_id: uuid.UUID) -> None:
        """Read this endpoint again when it is asked for next."""
        self._known.pop(endpoint_id, None)

    def _read(
        self, endpoint_ids: Collection[uuid.UUID]
    ) -> tuple[dict[uuid.UUID, EndpointSnapshot], dict[_Stored, Signer], dict[_StoredAccess, Access]]:
        """Read endpoints, and return them with their signers and accesses by what is stored of those."""
        snapshots: dict[uuid.UUID, EndpointSnapshot] = {}
        signers: dict[_Stored, Signer] = {}
        accesses: dict[_StoredAccess, Access] = {}
        wanted = list(endpoint_ids)
        if not wanted:
            return snapshots, signers, accesses
        secrets = _secrets(wanted)
        digests: dict[uuid.UUID, str] = {}
        for row in select_by_ids(_ENDPOINTS, wanted):
            key, url, state, schemes, form, retries, timeout, digest, changed_at, *others = row
            endpoint_id = to_uuid(key)
            stored = (schemes, tuple(secrets[endpoint_id]))
            signer = signers.get(stored) or self._signers.get(stored) or _signer(*stored)
            signers[stored] = signer
            access = None
            if (row := (others[0], others[1], others[2], others[3])) != _NO_ACCESS:
                access = accesses[row] = self._accesses.get(row) or _access(row)
            if digest is not None:
                digests[endpoint_id] = digest
            snapshots[endpoint_id] = EndpointSnapshot(
                endpoint_id,
                url,
                EndpointState(state),
                signer,
                access,
                payload_format=PayloadFormat(form),
                retry_schedule=None if retries is None else tuple(json.loads(retries)),
                timeout=timeout,
                flow=_flow(*others[4:], state_changed_at=changed_at),
                state_changed_at=changed_at and to_time(changed_at),
            )
        for endpoint_id, tls in self._tls(digests).items():
            snapshots[endpoint_id] = replace(snapshots[endpoint_id], tls=tls)
        return snapshots, signers, accesses

    def _tls(self, digests: Mapping[uuid.UUID, str]) -> dict[uuid.UUID, TlsSettings]:
        """Read the certificates of endpoints that have some, only where the digest is a new one."""
        found: dict[uuid.UUID, TlsSettings] = {}
        new: list[uuid.UUID] = []
        for endpoint_id, digest in digests.items():
            known = self._known.get(endpoint_id)
            if known and known.tls and known.tls.digest == digest and not known.tls.problem:
                found[endpoint_id] = known.tls
            else:
                new.append(endpoint_id)
        return found | _certificates(new) if new else found


def _flow(
    rate_limit: int | None,
    rate_period: str,
    in_flight: int | None,
    is_ordered: bool,
    when_head_fails: str,
    when_disabled: str,
    noted_at: Any,
    failing_since: Any,
    pauses: int | None,
    closed_until: Any,
    slowed_from: float | None,
    slowed_to: float | None,
    slowed_at: Any,
    *,
    state_changed_at: Any,
) -> Flow | None:
    """Say what sets an endpoint apart, if anything does. What was noted before its state changed is forgotten."""
    trouble = slowed = None
    if slowed_from is not None and slowed_to is not None and slowed_at is not None:
        slowed = Slowed(slowed_from, slowed_to, to_time(slowed_at))
        # Whoever got more again after each step has got all by then.
        if (timezone.now() - slowed.at).total_seconds() > _STEPS_AT_MOST * settings.WEBHOOKS.throttle_step:
            slowed = None
    if noted_at is not None and (failing_since is not None or pauses or closed_until is not None or slowed):
        is_stale = state_changed_at is not None and to_time(noted_at) < to_time(state_changed_at)
        if not is_stale:
            trouble = Trouble(failing_since is not None, pauses or 0, closed_until and to_time(closed_until), slowed)
    flow = Flow(
        Limits(rate_limit, RatePeriod(rate_period).seconds, in_flight) if rate_limit or in_flight else Limits(),
        is_ordered=bool(is_ordered),
        skips_failed=bool(is_ordered) and when_head_fails == WhenHeadFails.SKIP,
        is_oldest_first=when_disabled == WhenDisabled.KEEP or bool(is_ordered),
        trouble=trouble,
    )
    return None if flow == _PLAIN else flow


def _secrets(endpoint_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, list[str]]:
    """Read the secrets that are valid now, as they are stored: encrypted."""
    rows = select_by_ids(
        "SELECT endpoint_id, value FROM subscriptions_signingsecret WHERE endpoint_id",
        endpoint_ids,
        "AND (expires_at IS NULL OR expires_at > %s) ORDER BY id DESC",
        timezone.now(),
    )
    secrets: dict[uuid.UUID, list[str]] = defaultdict(list)
    for endpoint_id, value in rows:
        secrets[to_uuid(endpoint_id)].append(value)
    return secrets


def _certificates(endpoint_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, TlsSettings]:
    rows = select_by_ids(
        "SELECT endpoint_id, digest, ca_certificate, client_certificate, client_key FROM subscriptions_endpointtls "
        "WHERE endpoint_id",
        endpoint_ids,
    )
    return {to_uuid(key): _tls_settings(*row) for key, *row in rows}


def _tls_settings(digest: str, authorities: str, certificate: str, key: str | None) -> TlsSettings:
    """Decode what is stored. What cannot be read is a problem: nothing must be sent without it."""
    try:
        return TlsSettings(digest, authorities, certificate, "" if key is None else keyring().decrypt(key))
    except EncryptionError as error:
        log.error("A client key cannot be read. %s", error)
        return TlsSettings(digest, problem=f"The client key cannot be read. {error}")


def _signer(schemes: str, secrets: Sequence[str]) -> Signer:
    """Decode what is stored. What cannot be read is left out: the signer says why if nothing else is there."""
    keys: list[Key] = []
    problem = None
    for secret in secrets:
        try:
            keys.append(key_of(keyring().decrypt(secret)))
        except (EncryptionError, InvalidSecret) as error:
            problem = f"A signing secret cannot be read. {error}"
            log.error("%s", problem)
    try:
        return Signer(tuple(keys), signature_schemes.read(json.loads(schemes)), problem)
    except (InvalidScheme, ValueError) as error:
        problem = f"The signature schemes cannot be read. {error}"
        log.error("%s", problem)
        return Signer((), problem=problem)


def _access(stored: _StoredAccess) -> Access:
    """Decode what is stored, and check it once more: it may have come into the table in any way."""
    kind, settings, secret, headers = stored
    try:
        own: Any = json.loads(keyring().decrypt(headers)) if headers else {}
        read = None
        if kind is not None and secret is not None:
            shown = json.loads(settings or "{}")
            read = credentials.read({"kind": kind, **shown, credentials.secret_part(kind): keyring().decrypt(secret)})
        taken = (read.header.lower(),) if read else ()
        return access_of(read, request_headers.check_headers(own, taken=taken))
    except (EncryptionError, InvalidCredentials, InvalidHeader, ValueError, KeyError) as error:
        # Of others the text may say what was decrypted.
        why = error if isinstance(error, EncryptionError | InvalidCredentials | InvalidHeader) else ""
        problem = f"Credentials or custom headers cannot be read. {why}".rstrip()
        log.error("%s", problem)
        return Access({}, problem=problem)
