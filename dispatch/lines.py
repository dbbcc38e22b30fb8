"""The lines of the ordered endpoints that one run of a pump serves: what may go next in each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dispatch import outbox
from dispatch.endpoint_snapshots import EndpointSnapshot
from dispatch.engine import Done
from dispatch.lanes import Lane
from dispatch.outbox import Claim


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was claimed in lines, and when the next is due in them."""

    claims: list[Claim] = field(default_factory=list)
    next_due: dict[Lane, datetime | None] = field(default_factory=dict)

    def with_next_due(self, others: Mapping[Lane, datetime | None]) -> Mapping[Lane, datetime | None]:
        """Return when the next is due in each lane, in its lines or beside them."""
        if not self.next_due:
            return others
        earliest = dict(others)
        for lane, due_at in self.next_due.items():
            known = earliest[lane]
            earliest[lane] = min(known, due_at) if known and due_at else known or due_at
        return earliest


class Lines:
    """Lines are looked through some at a time, each time beyond those of the last."""

    def __init__(self, *, lease: float, worker: str) -> None:
        self._lease = timedelta(seconds=lease)
        self._worker = worker
        # Where a round through the lines of a lane has come to, and when the next of those before is due.
        self._rounds: dict[Lane, tuple[str, datetime | None]] = {}
        # Lanes in whose lines something has changed during a round: another one follows.
        self._again: set[Lane] = set()
        self._moved: set[Lane] = set()

    def claim(self, rooms: Mapping[Lane, int], snapshots: Mapping[Lane, EndpointSnapshot], now: datetime) -> Claimed:
        """Claim what is first in the lines of ordered endpoints and due, as much as there is room for."""
        claimed = Claimed()
        for lane, room in rooms.items():
            flow = snapshots[lane].flow
            if flow is None or not flow.is_ordered:
                continue
            if room <= 0:
                claimed.next_due[lane] = now
                continue
            last, earliest = self._rounds.pop(lane, (None, None))
            found = outbox.claim_in_order(
                lane,
                room,
                beyond=last,
                skips_failed=flow.skips_failed,
                now=now,
                expires_at=now + self._lease,
                worker=self._worker,
            )
            claimed.claims.extend(found.claims)
            earliest = min(filter(None, (earliest, found.next_due)), default=None)
            if found.last_line is not None:
                self._rounds[lane] = (found.last_line, earliest)
                earliest = now
            elif lane in self._again:
                self._again.discard(lane)
                earliest = now
            claimed.next_due[lane] = earliest
        return claimed

    def note_rung(self, lanes: Iterable[Lane]) -> None:
        """Note that something new is due in lanes, perhaps in lines that were looked at already."""
        if self._rounds:
            self._again.update(lane for lane in lanes if lane in self._rounds)

    def drop(self, lanes: Iterable[Lane]) -> None:
        """Forget lanes that somebody else has."""
        for lane in lanes:
            self._rounds.pop(lane, None)
            self._again.discard(lane)

    def note(self, done: Done) -> None:
        """Note that an attempt has ended: once that is written down, another may be first."""
        flow = done.job.endpoint.flow
        if flow is not None and flow.is_ordered:
            self._moved.add(done.job.claim.endpoint_id)

    def moved(self) -> set[Lane]:
        """Return the lanes in which another may be first now."""
        if not self._moved:
            return self._moved
        moved, self._moved = self._moved, set()
        self.note_rung(moved)
        return moved
