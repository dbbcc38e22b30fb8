"""The lanes that one run of a pump holds, and when something is due in each."""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dispatch.lanes import Lane, Lanes, Left, Taken

# Deliveries of one lane in its turn, after which lanes that wait go first.
_TURN = 512
# A lease is relied on for this part of its time, and renewed often enough for that.
_SURE = 0.8
_RENEWALS_PER_LEASE = 5


@dataclass(slots=True)
class _Held:
    due_at: float | None
    served_at: float
    closed_until: float = 0.0
    # Whether the end of a request may open it earlier.
    opens_at_end: bool = False
    claimed: int = 0
    turns: int = 0
    is_backlogged: bool = False


class HeldLanes:
    """Lanes held under one owner's name, for `lease` seconds at a time. Times are on the monotonic clock.

    The verbs that speak with Redis raise `redis.RedisError` where it does not answer.
    """

    def __init__(self, scheduled: Lanes, *, lease: float) -> None:
        self._scheduled = scheduled
        self._owner = uuid.uuid4().hex
        self._lease = lease
        self._held: dict[Lane, _Held] = {}
        self._renewed_at = time.monotonic()
        self.others_wait = False

    @property
    def sure_until(self) -> float:
        """Until when the leases are relied on."""
        return self._renewed_at + _SURE * self._lease

    def __len__(self) -> int:
        return len(self._held)

    @property
    def are_sure(self) -> bool:
        """Whether the leases were renewed lately enough to rely on them."""
        return time.monotonic() < self.sure_until

    def take(self, limit: int) -> Taken:
        """Take up to `limit` lanes that wait to be served, and hear which of those held were rung."""
        now = time.monotonic()
        taken = self._scheduled.take(self._owner, limit=max(0, limit), lease=self._lease)
        # In front: whoever has little gets it before those go on that have much.
        self._held = {lane: _Held(due_at=now, served_at=now) for lane in taken.lanes} | self._held
        for lane in taken.rung:
            if lane in self._held:
                self._held[lane].due_at = max(now, self._held[lane].closed_until)
        # Redis takes these for mine and I don't know of them: the answer that gave them to me was lost.
        self._scheduled.release(self._owner, {lane: 0.0 for lane in taken.rung if lane not in self._held})
        self.others_wait = taken.waiting > 0
        return taken

    def leave(self) -> None:
        """Take no more lanes, and hear whether any wait for others."""
        self.others_wait = self._scheduled.leave() > 0

    def renew(self) -> list[Lane] | None:
        """Keep the lanes for another lease. Return those that are not mine any more, or None if it was not time yet."""
        now = time.monotonic()
        if now - self._renewed_at < self._lease / _RENEWALS_PER_LEASE:
            return None
        lost = self._scheduled.renew(self._owner, self._held, lease=self._lease)
        self._renewed_at = now
        # Somebody took them over, or Redis was emptied: then this puts them back.
        delays = {lane: _delay(self._held.pop(lane).due_at) for lane in lost}
        self._scheduled.ring({lane: delay for lane, delay in delays.items() if delay is not None})
        return lost

    def due(self) -> list[Lane]:
        """List the lanes in which something is due and whose turn is not over, the longest waiting first."""
        now = time.monotonic()
        return [
            lane
            for lane, held in self._held.items()
            if held.due_at is not None and held.due_at <= now and not (self.others_wait and held.claimed >= _TURN)
        ]

    def neglected(self, seconds: float) -> list[Lane]:
        """List the lanes from which nothing was claimed for so long."""
        before = time.monotonic() - seconds
        return [lane for lane, held in self._held.items() if held.served_at < before]

    def note_claims(self, lane: Lane, count: int, *, next_due_in: float | None) -> None:
        """Note what was claimed in `lane` and in how many seconds the next is due, if any. Others go first now."""
        held = self._held.pop(lane)
        held.claimed += count
        held.turns += 1
        held.served_at = time.monotonic()
        held.due_at = None if next_due_in is None else time.monotonic() + next_due_in
        held.is_backlogged = next_due_in is not None and next_due_in <= 0
        self._held[lane] = held

    def newest(self, rooms: Mapping[Lane, int]) -> Mapping[Lane, int]:
        """Say how many of the rooms are for what fell due last: all, at every second turn of lanes with a backlog.

        A lane has one where more was due than was claimed. So new events don't wait until a backlog has been sent,
        such as one of replays.
        """
        held = ((lane, self._held[lane], room) for lane, room in rooms.items())
        return {lane: room for lane, each, room in held if each.is_backlogged and each.turns % 2}

    def note_due(self, lane: Lane, delay: float) -> None:
        """Note that something will be due in `lane` in `delay` seconds, if it is held."""
        if (held := self._held.get(lane)) is not None:
            due_at = max(time.monotonic() + delay, held.closed_until)
            held.due_at = due_at if held.due_at is None else min(held.due_at, due_at)

    def next_due(self) -> float | None:
        """Say when something is due next in a lane in which nothing is due now, if that is known."""
        now = time.monotonic()
        return min((each.due_at for each in self._held.values() if each.due_at and each.due_at > now), default=None)

    def note_closed(self, lane: Lane, wait: float, *, until_end: bool = False) -> None:
        """Note that nothing may go in `lane` for `wait` seconds, though something is due.

        With `until_end` the end of a request opens it earlier.
        """
        held = self._held[lane]
        held.served_at = time.monotonic()
        held.due_at = held.closed_until = held.served_at + wait
        held.opens_at_end = until_end

    def note_end(self, lane: Lane) -> None:
        """Note that a request of `lane` has ended."""
        if (held := self._held.get(lane)) is not None and held.opens_at_end:
            held.opens_at_end = False
            held.due_at, held.closed_until = time.monotonic(), 0.0

    def note_nothing_due(self, lane: Lane) -> None:
        """Note that `lane` is not to be served until it is rung again."""
        self._held[lane].due_at = None

    def soon_due(self, seconds: float) -> list[Lane]:
        """List the lanes that are closed, but not for much longer than that."""
        now = time.monotonic()
        return [lane for lane, held in self._held.items() if now < held.closed_until <= now + seconds]

    def release(
        self, is_busy: Callable[[Lane], bool], *, keep: Iterable[Lane], leave: Callable[[Lane], Left | None]
    ) -> None:
        """Give back the lanes that are neither busy nor among `keep`, each until something is due in it.

        `leave` says what the next owner of a lane is to know.
        """
        kept = set(keep)
        delays: Mapping[Lane, float | None] = {
            lane: _delay(held.due_at) for lane, held in self._held.items() if lane not in kept and not is_busy(lane)
        }
        left = {lane: note for lane in delays if (note := leave(lane)) is not None}
        self._scheduled.release(self._owner, delays, left)
        for lane in delays:
            del self._held[lane]


def _delay(due_at: float | None) -> float | None:
    return None if due_at is None else max(0.0, due_at - time.monotonic())
