"""Writing down how endpoints do, and what follows from that: warnings, and an end.

A pump notes what it sees of the lanes that it holds, and writes it down now and then. Whoever serves a lane is the only
one who writes about its endpoint; two that believe they do lose a count at most.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from dispatch.endpoint_gone import disable
from dispatch.flow import Slowed
from dispatch.models import EndpointHealth
from subscriptions import ids, notices
from subscriptions.notices import Happened, NoticeKind

_WRITTEN = [field.attname for field in EndpointHealth._meta.concrete_fields if not field.primary_key]


@dataclass(slots=True)
class Noted:
    """What a pump saw of an endpoint `since` a time on its clock."""

    endpoint_id: uuid.UUID
    state_changed_at: datetime | None
    since: float
    # Whether something succeeded; what is noted beside is later.
    has_succeeded: bool = False
    failures: int = 0
    first_failure_at: datetime | None = None
    last_failure_at: datetime | None = None
    # Whether the breaker opened or closed, or the receiver asked to wait, and how long nothing goes because of that.
    is_changed: bool = False
    closed_until: datetime | None = None
    closed_because: str = ""
    pauses: int = 0
    is_urgent: bool = False
    slowed: Slowed | None = None

    def succeed(self) -> None:
        """Note a success after failures."""
        self.has_succeeded = self.is_urgent = True
        self.failures = 0
        self.first_failure_at = self.last_failure_at = None
        self.open()

    def fail(self, at: datetime, *, is_urgent: bool) -> None:
        """Note a failure."""
        self.failures += 1
        self.first_failure_at = self.first_failure_at or at
        self.last_failure_at = at
        self.is_urgent |= is_urgent

    def close(self, until: datetime, *, because: str, pauses: int) -> None:
        """Note that nothing goes before then."""
        self.is_changed = self.is_urgent = True
        self.closed_until, self.closed_because, self.pauses = until, because, pauses

    def slow_down(self, slowed: Slowed) -> None:
        """Note that the receiver gets less for a while."""
        self.slowed, self.is_urgent = slowed, True

    def open(self) -> None:
        """Note that nothing keeps deliveries from going."""
        self.is_changed = self.is_urgent = True
        self.closed_until, self.closed_because, self.pauses = None, "", 0


def write(noted: Sequence[Noted], now: datetime) -> list[uuid.UUID]:
    """Write down what was noted. Return the ids of endpoints that were disabled by it."""
    if not noted:
        return []
    # What operators are told is written with it.
    with transaction.atomic():
        return _write(noted, now)


def _write(noted: Sequence[Noted], now: datetime) -> list[uuid.UUID]:
    keys = {each.endpoint_id: ids.encode("ep", each.endpoint_id) for each in noted}
    rows = EndpointHealth.objects.in_bulk(list(keys.values()))
    changed = []
    for each in noted:
        key = keys[each.endpoint_id]
        row = rows.get(key) or EndpointHealth(endpoint_id=key, noted_at=now)
        _apply(each, row, now)
        changed.append((each, row))
    EndpointHealth.objects.bulk_create(
        [row for _, row in changed], update_conflicts=True, unique_fields=["endpoint"], update_fields=_WRITTEN
    )
    return [each.endpoint_id for each, row in changed if row.failures and _judge(each.endpoint_id, row, now)]


def _apply(noted: Noted, row: EndpointHealth, now: datetime) -> None:
    if row.is_stale(noted.state_changed_at):
        row.forget()
    was_bad = row.warned or row.pauses
    if noted.has_succeeded:
        if was_bad:
            _tell(NoticeKind.ENDPOINT_RECOVERED, "success", "A delivery succeeded again.", row, now)
        row.forget_failures()
    if noted.first_failure_at is not None and noted.last_failure_at is not None:
        row.add_failures(noted.failures, first_at=noted.first_failure_at, last_at=noted.last_failure_at)
    if noted.is_changed:
        if noted.pauses == 1 and row.pauses == 0:
            reason = "Most attempts fail: its breaker has opened, deliveries wait."
            _tell(NoticeKind.ENDPOINT_FAILING, "breaker", reason, row, now)
        row.closed_until, row.closed_because, row.pauses = noted.closed_until, noted.closed_because, noted.pauses
    if noted.slowed is not None:
        row.slowed_from, row.slowed_to, row.slowed_at = noted.slowed
    # The row's warning is given once: it is written down before anybody is told.
    if (warning := row.due_warning(after=_after())) != 0:
        row.warned = warning
        text = f"Nothing has succeeded since {row.failing_since:%Y-%m-%d %H:%M} UTC: {warning} % of the time is over"
        _tell(NoticeKind.ENDPOINT_FAILING, f"warning_{warning}", f"{text} after which it is disabled.", row, now)
    row.noted_at = now


def _tell(kind: NoticeKind, cause: str, reason: str, row: EndpointHealth, now: datetime) -> None:
    facts = {"failing_since": row.failing_since, "failures": row.failures}
    notices.tell(Happened(kind, cause, reason, now, row.endpoint_id, facts))


def _judge(endpoint_id: uuid.UUID, row: EndpointHealth, now: datetime) -> bool:
    """Disable an endpoint that is hopeless. Say whether it was."""
    configured = settings.WEBHOOKS
    span = timedelta(seconds=configured.disable_span)
    if not row.is_hopeless(after=_after(), span=span, attempts=configured.disable_attempts):
        return False
    since = f"{row.failing_since:%Y-%m-%d %H:%M} UTC"
    disable(
        endpoint_id,
        reason=f"Nothing has succeeded since {since}, in {row.failures} attempts.",
        cause="hopeless",
        now=now,
    )
    return True


def _after() -> timedelta:
    return timedelta(seconds=settings.WEBHOOKS.disable_after)
