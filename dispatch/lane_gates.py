"""The gates of the lanes that one run of a pump holds, each on the run's monotonic clock.

A lane has one from the moment when there is a reason: limits, something that went wrong, a note of its last owner. Most
have none, and cost a look into a dictionary.
"""

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from dispatch.classify import OVERLOADED
from dispatch.endpoint_snapshots import EndpointSnapshot
from dispatch.engine import Done, Engine
from dispatch.flow import Flow, Slowed, Trouble
from dispatch.gates import Gate, Limits, Move, Opening, Rules, Signal, Why
from dispatch.health import Noted
from dispatch.lanes import Closed, Lane, Left, Note, Taken
from dispatch.states import Outcome

_UNCONNECTED = {Outcome.DNS_ERROR, Outcome.CONNECTION_ERROR, Outcome.TLS_ERROR}
# These say nothing about the receiver: nothing was sent to it, or something of ours did not work.
_NOT_THEIRS = {Outcome.CANNOT_BUILD, Outcome.PROXY_ERROR, Outcome.WORKER_LOST}
_SUCCESS = Signal(is_success=True)
_NOTE_SECONDS = 1.0
_COUNT_SECONDS = 1.0
# What is closed for no longer is told to others only this often: it opens before they could do anything.
_TELL_SECONDS = 1.0
_NO_LIMITS = Limits()
_LAST_MARGIN = 60.0


@dataclass(slots=True)
class _Kept:
    """A lane's gate with what is to be written down about its endpoint's health."""

    gate: Gate
    # How long ago a note was written that the gate goes on from.
    age: float | None = None
    limits: Limits = _NO_LIMITS
    state_changed_at: datetime | None = None
    is_known: bool = False
    is_failing: bool = False
    counted_at: float = -math.inf
    told_at: float = -math.inf


class LaneGates:
    """`lease` is for how long, in seconds, a lane's last owner may believe that he holds it. `retry_after_max` is the
    longest that a receiver may close its lane for. `in_flight` counts what anybody is sending in a lane.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        lease: float,
        retry_after_max: float,
        in_flight: Callable[[Lane], int],
    ) -> None:
        self._rules = rules
        self._lease = lease
        self._retry_after_max = retry_after_max
        self._in_flight = in_flight
        self._kept: dict[Lane, _Kept] = {}
        self._notes: dict[Lane, tuple[Note, float]] = {}
        self._empty_until: float | None = None
        self._noted: dict[Lane, Noted] = {}
        self._closed: dict[Lane, Closed] = {}

    def take_over(self, taken: Taken) -> list[Lane]:
        """Keep what the last owners of lanes have left. Return the lanes whose owners could leave nothing."""
        now = time.monotonic()
        if taken.notes:
            self._notes.update((lane, (note, now)) for lane, note in taken.notes.items())
        # Redis was emptied lately: whoever held these lanes may not have noticed yet, and has left no notes.
        doubtful = self._lease - taken.remembers
        self._empty_until = now + doubtful if doubtful > 0 else None
        if doubtful > 0:
            return taken.lanes
        return [lane for lane, note in taken.notes.items() if note.text is None]

    def openings(self, snapshots: Mapping[Lane, EndpointSnapshot], engine: Engine) -> Mapping[Lane, Opening]:
        """Say for each lane that may have a reason to wait how many more may go."""
        now = time.monotonic()
        openings = {}
        for lane, snapshot in snapshots.items():
            kept = self._kept.get(lane)
            if snapshot.flow is None and lane not in self._notes and (kept is None or kept.gate.is_quiet):
                continue
            kept = kept or self._keep(lane, now)
            _learn(kept, snapshot.flow, snapshot.state_changed_at, now)
            held = engine.held_by(lane)
            self._count_elsewhere(lane, kept, held, now)
            openings[lane] = kept.gate.opening(kept.limits, held=held, unsent=engine.unsent_by(lane), now=now)
            self._tell(lane, kept, openings[lane], now)
        return openings

    def closed(self) -> Mapping[Lane, Closed]:
        """Return the lanes that are closed, as far as that is to be told to others."""
        closed, self._closed = self._closed, {}
        return closed

    def spend(self, lane: Lane, count: int) -> None:
        """Note that so many of a lane's deliveries go."""
        if (kept := self._kept.get(lane)) is not None:
            kept.gate.spend(count, time.monotonic())

    def note(self, done: Done) -> None:
        """Note what an attempt says about its endpoint."""
        outcome = done.verdict.outcome
        if outcome in _NOT_THEIRS:
            return
        now = time.monotonic()
        lane = done.job.claim.endpoint_id
        kept = self._kept.get(lane)
        if kept is None:
            kept = self._keep(lane, now)
            _learn(kept, done.job.endpoint.flow, done.job.endpoint.state_changed_at, now)
        if outcome is Outcome.SUCCESS:
            move = kept.gate.note(_SUCCESS, limits=kept.limits, now=now, chance=0.0)
            if move or kept.is_failing:
                kept.is_failing = False
                self._note_of(lane, kept).succeed()
            return
        signal = _signal(done, retry_after_max=self._retry_after_max, now=now)
        chance = random.random()  # noqa: S311 - jitter
        move = kept.gate.note(signal, limits=kept.limits, now=now, chance=chance)
        noted, moment = self._note_of(lane, kept), datetime.now(UTC)
        noted.fail(moment, is_urgent=not kept.is_failing)
        kept.is_failing = True
        gate = kept.gate
        if signal.slows and (slowed := gate.throttle.written(now)) is not None:
            full, rate, age = slowed
            noted.slow_down(Slowed(full, rate, moment - timedelta(seconds=age)))
        if move is Move.CLOSED:
            noted.open()
        elif move is Move.OPENED:
            wait = timedelta(seconds=gate.breaker.wait(now))
            noted.close(moment + wait, because=Why.BREAKER, pauses=gate.breaker.pauses)
        elif signal.retry_after is not None and not gate.breaker.wait(now):
            wait = timedelta(seconds=gate.held_until - now)
            noted.close(moment + wait, because=Why.RETRY_AFTER, pauses=gate.breaker.pauses)

    def noted(self, *, everything: bool) -> list[Noted]:
        """Return what is to be written down about the health of endpoints, if it is time to."""
        if not self._noted:
            return []
        before = time.monotonic() - _NOTE_SECONDS
        due = {lane: each for lane, each in self._noted.items() if everything or each.is_urgent or each.since <= before}
        for lane in due:
            del self._noted[lane]
        return list(due.values())

    def leave(self, lane: Lane) -> Left | None:
        """Let go of a lane, and say what its next owner is to know."""
        now = time.monotonic()
        note = self._notes.pop(lane, None)
        kept = self._kept.pop(lane, None)
        if kept is None:
            if note is None:
                return None
            kept = self._keep_from(note, now)
        text = kept.gate.written(now)
        return Left(text, kept.gate.lasts(now) + _LAST_MARGIN) if text else None

    def drop(self, lanes: Iterable[Lane]) -> None:
        """Forget lanes that somebody else has."""
        for lane in lanes:
            self._kept.pop(lane, None)
            self._notes.pop(lane, None)

    def _keep(self, lane: Lane, now: float) -> _Kept:
        kept = self._kept[lane] = self._keep_from(self._notes.pop(lane, None), now)
        return kept

    def _keep_from(self, found: tuple[Note, float] | None, now: float) -> _Kept:
        if found is None:
            doubt = self._empty_until
            return _Kept(Gate(self._rules, empty_until=doubt if doubt is not None and doubt > now else None))
        note, found_at = found
        if note.text is None:
            # Killed, or stopped for longer than its lease: whatever it does from now on, it sends nothing.
            return _Kept(Gate(self._rules, empty_until=now))
        age = note.age + now - found_at
        gate = Gate(self._rules)
        gate.resume(note.text, age=age, now=now)
        return _Kept(gate, age=age)

    def _tell(self, lane: Lane, kept: _Kept, opening: Opening, now: float) -> None:
        if opening.why is None or (opening.wait <= _TELL_SECONDS and now - kept.told_at < _TELL_SECONDS):
            return
        kept.told_at = now
        self._closed[lane] = Closed(opening.why, opening.wait)

    def _note_of(self, lane: Lane, kept: _Kept) -> Noted:
        noted = self._noted.get(lane)
        if noted is None:
            noted = self._noted[lane] = Noted(lane, kept.state_changed_at, time.monotonic())
        return noted

    def _count_elsewhere(self, lane: Lane, kept: _Kept, held: int, now: float) -> None:
        gate = kept.gate
        is_counted = kept.limits.in_flight is not None or gate.breaker.pauses
        if gate.elsewhere is None or not is_counted or now - kept.counted_at < _COUNT_SECONDS:
            return
        if gate.empty_until is not None and now < gate.empty_until:
            return
        kept.counted_at = now
        gate.elsewhere = max(0, self._in_flight(lane) - held) or None


def _learn(kept: _Kept, flow: Flow | None, state_changed_at: datetime | None, now: float) -> None:
    """Take in what is known of the endpoint by now."""
    kept.limits = flow.limits if flow else _NO_LIMITS
    trouble = flow.trouble if flow else None
    if trouble is not None:
        kept.is_failing |= trouble.is_failing
    if kept.is_known:
        if state_changed_at != kept.state_changed_at:
            kept.gate.forgive()
    elif kept.age is None:
        if trouble is not None:
            _restore(kept.gate, trouble, now)
    elif state_changed_at is not None and datetime.now(UTC) - timedelta(seconds=kept.age) < state_changed_at:
        kept.gate.forgive()
    kept.is_known, kept.state_changed_at = True, state_changed_at


def _restore(gate: Gate, trouble: Trouble, now: float) -> None:
    """Go on from what the database knows."""
    wait = 0.0 if trouble.closed_until is None else (trouble.closed_until - datetime.now(UTC)).total_seconds()
    if trouble.pauses:
        gate.breaker.open(trouble.pauses, now + wait)
    elif wait > 0:
        gate.held_until = now + wait
    if trouble.slowed is not None:
        age = (datetime.now(UTC) - trouble.slowed.at).total_seconds()
        gate.throttle.resume([trouble.slowed.full, trouble.slowed.rate, age], now)


def _signal(done: Done, *, retry_after_max: float, now: float) -> Signal:
    retry_after, status = done.verdict.retry_after, done.result.status_code
    return Signal(
        is_success=False,
        is_unconnected=done.verdict.outcome in _UNCONNECTED,
        slows=status in OVERLOADED or retry_after is not None,
        retry_after=None if retry_after is None else min(retry_after, retry_after_max),
        began_at=now - done.result.duration,
        counts=status != HTTPStatus.TOO_MANY_REQUESTS,
    )
