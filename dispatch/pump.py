"""The pump: it takes lanes, claims what is due, has it sent, writes down what came of it, and gives lanes back.

A run lasts about a slice and cuts nothing off: it ends at a moment when nothing is long under way. Only if
there is no such moment for long, slow endpoints get nothing new until it comes.
"""

import enum
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from kombu.exceptions import OperationalError as BrokerError
from redis import RedisError

from dispatch import health, heartbeats, lanes, outbox, stopping, wake
from dispatch.endpoint_snapshots import EndpointSnapshot, EndpointSnapshots
from dispatch.engine import Done, Engine, Job
from dispatch.gates import BreakerRules, Rules
from dispatch.held_lanes import HeldLanes
from dispatch.lane_gates import LaneGates
from dispatch.lanes import Lane
from dispatch.lines import Lines
from dispatch.outbox import Claim
from dispatch.recorder import Recorder
from dispatch.rendering import bodies_of
from dispatch.sweep import sweep_if_overdue
from subscriptions.models import EndpointState

logger = logging.getLogger(__name__)

_REDIS_TIMEOUT = 2.0
_LANES_AT_ONCE = 128
_PATIENCE = 0.02
_LISTENING = 1.0
# Redis may look at its clock this many seconds late.
_LISTENING_ENDS_LATE = 0.12
# A lane that is closed for no longer is kept, with its gate: to give it back and take it again costs more.
_KEPT_CLOSED = 1.0
_CALL_INTERVAL = 0.5
# Seconds that others have to take lanes that wait, before a run that has enough to do takes more of them.
_COURTESY = 0.05
_NEGLECT = 1.0
_DATABASE_PAUSE = 0.5
# A run that is never without slow requests ends after this many slices.
_SLICES_AT_MOST = 10
# The lease of a claim is relied on for this part of its time.
_SURE = 0.8


class _Intake(enum.Enum):
    """Which lanes get new requests."""

    ALL = enum.auto()
    QUICK = enum.auto()
    NONE = enum.auto()


class Pump:
    """One run of serving lanes with the engine of this process."""

    def __init__(self, engine: Engine, snapshots: EndpointSnapshots) -> None:
        self._engine = engine
        self._snapshots = snapshots
        self._settings = settings.WEBHOOKS
        self._lanes = lanes.connect(_REDIS_TIMEOUT)
        self._held = HeldLanes(self._lanes, lease=self._settings.lane_lease)
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._recorder = Recorder(
            worker=self._worker, size=self._settings.flush_size, interval=self._settings.flush_interval
        )
        self._gates = LaneGates(
            _rules(),
            lease=self._settings.lane_lease,
            retry_after_max=self._settings.retry_after_max,
            in_flight=outbox.in_flight,
        )
        self._lines = Lines(lease=self._settings.claim_lease, worker=self._worker)
        self._unsent: list[Claim] = []
        self._is_redis_lost = False
        self._started_at = self._saved_at = self._busy_at = time.monotonic()
        self._filled_at = self._called_at = self._taken_at = 0.0
        self._intake = _Intake.ALL

    def run(self) -> None:
        """Serve until nothing is due, the slice is over or the worker is to stop. Finish what has begun."""
        self._reach_redis(self._lanes.answer_call)
        while True:
            self._decide_intake()
            self._reach_database(self._keep_house)
            self._reach_database(self._fill)
            self._note(self._engine.poll(self._patience()))
            self._reach_database(self._give_back)
            self._reach_database(self._flush)
            if not len(self._recorder):
                self._reach_redis(self._release)
            if self._has_work():
                self._busy_at = time.monotonic()
                if self._has_only_closed_lanes():
                    self._reach_redis(self._listen)
            elif self._is_over():
                break
            elif not self._held.others_wait:
                self._reach_redis(self._listen)
            self._reach_redis(self._call_others)
        self._called_at = 0.0
        self._reach_redis(self._leave)

    def _has_work(self) -> bool:
        is_busy = not self._engine.is_idle or len(self._recorder) or self._unsent
        return bool(is_busy or (len(self._held) and self._intake is not _Intake.NONE))

    def _has_only_closed_lanes(self) -> bool:
        is_busy = not self._engine.is_idle or len(self._recorder) or self._unsent
        return not is_busy and not self._held.others_wait and not self._held.due()

    def _is_over(self) -> bool:
        return self._intake is _Intake.NONE or time.monotonic() - self._busy_at >= self._settings.pump_linger

    def _listen(self) -> None:
        """Wait for what comes next: to be called by a message takes several times as long."""
        due_at = self._held.next_due()
        until_due = _LISTENING if due_at is None else due_at - time.monotonic()
        if until_due <= _LISTENING_ENDS_LATE:
            time.sleep(min(max(0.0, until_due), _PATIENCE))
        else:
            until_due -= _LISTENING_ENDS_LATE
            self._lanes.listen(min(_LISTENING, self._settings.pump_linger or _LISTENING, until_due))

    def _decide_intake(self) -> None:
        if self._intake is _Intake.NONE:
            return
        now = time.monotonic()
        elapsed, limit = now - self._started_at, self._settings.pump_slice * _SLICES_AT_MOST
        if stopping.is_announced() or elapsed > limit + self._settings.request_deadline:
            self._intake = _Intake.NONE
        elif elapsed > self._settings.pump_slice and self._engine.will_soon_be_idle:
            self._intake = _Intake.NONE
            self._held.others_wait = True
        elif elapsed > limit:
            self._intake = _Intake.QUICK

    def _keep_house(self) -> None:
        if self._has_work():
            # Meanwhile this process takes no message that asks for it.
            heartbeats.note_sometimes(wake.DELIVERIES)

        def renew_and_sweep() -> None:
            lost = self._held.renew()
            if lost is None:
                return
            # Others have them now, and count from there.
            self._gates.drop(lost)
            self._lines.drop(lost)
            for job in self._engine.withdraw(lanes=set(lost)):
                self._unsent.append(job.claim)
            sweep_if_overdue(self._lanes, datetime.now(UTC))

        self._reach_redis(renew_and_sweep)

    def _fill(self) -> None:
        """Claim what is due in the lanes and hand it to the engine, unless that is not worth while yet."""
        now = time.monotonic()
        is_room_small = self._is_room_small()
        if self._intake is _Intake.NONE or (is_room_small and now - self._filled_at < _PATIENCE):
            return
        self._filled_at = now
        self._reach_redis(self._take)
        if not self._held.are_sure:
            return
        due = self._due()
        if is_room_small:
            # Who has something under way or waiting has enough until there is room for a claim that is worth it.
            due = [lane for lane in due if not self._engine.held_by(lane)]
        snapshots = self._snapshots.get(due, now)
        served = [lane for lane in due if lane in snapshots and snapshots[lane].state is EndpointState.ACTIVE]
        # An endpoint that is paused or disabled is not served; the sweep brings its lane in again.
        for lane in set(due).difference(served):
            self._held.note_nothing_due(lane)
        openings = self._gates.openings({lane: snapshots[lane] for lane in served}, self._engine)
        for lane, opening in openings.items():
            if not opening.room:
                self._held.note_closed(lane, opening.wait, until_end=opening.until_end)
        self._reach_redis(lambda: self._lanes.note_closed(self._gates.closed()))
        rooms = self._engine.rooms([lane for lane in served if lane not in openings or openings[lane].room])
        if openings:
            rooms = {lane: min(room, openings[lane].room if lane in openings else room) for lane, room in rooms.items()}
        if not rooms:
            return
        begin_by = now + _SURE * self._settings.claim_lease - self._settings.request_deadline
        claimed_at = datetime.now(UTC)
        claimed = outbox.claim(
            rooms,
            newest=self._held.newest({lane: rooms[lane] for lane in rooms if not _is_oldest_first(snapshots[lane])}),
            now=claimed_at,
            lease=self._settings.claim_lease,
            worker=self._worker,
        )
        counts = Counter(claim.endpoint_id for claim in claimed.claims)
        in_line = self._lines.claim({lane: rooms[lane] - counts[lane] for lane in rooms}, snapshots, claimed_at)
        claimed.claims.extend(in_line.claims)
        for claim, body in bodies_of(claimed.claims, snapshots):
            # Behind a gate nothing may begin once somebody else could count for it.
            until = min(begin_by, self._held.sure_until) if claim.endpoint_id in openings else begin_by
            self._engine.submit(Job(claim, snapshots[claim.endpoint_id], body, until))
        counts = Counter(claim.endpoint_id for claim in claimed.claims)
        for lane in openings:
            self._gates.spend(lane, counts[lane])
        for lane, due_at in in_line.with_next_due(claimed.next_due).items():
            delay = None if due_at is None else (due_at - claimed_at).total_seconds()
            self._held.note_claims(lane, counts[lane], next_due_in=delay)

    def _is_room_small(self) -> bool:
        return self._engine.room * 2 < self._engine.capacity

    def _take(self) -> None:
        now = time.monotonic()
        has_enough = self._engine.room * 4 < self._engine.capacity * 3
        if self._held.others_wait and has_enough and now - self._taken_at < _COURTESY:
            return
        self._taken_at = now
        taken = self._held.take(min(_LANES_AT_ONCE, self._engine.room - len(self._held.due())))
        for lane in self._gates.take_over(taken):
            # Its last owner has left nothing but what the database knows, and that may be new.
            self._snapshots.forget(lane)
        self._lines.note_rung(taken.rung)

    def _due(self) -> list[Lane]:
        due = self._held.due()
        return due if self._intake is _Intake.ALL else [lane for lane in due if not self._engine.is_slow(lane)]

    def _patience(self) -> float:
        if self._engine.is_idle:
            return 0.0
        if len(self._recorder):
            return self._recorder.patience
        return _PATIENCE

    def _note(self, ended: Iterable[Done]) -> None:
        for done in ended:
            attempted = self._recorder.note(done)
            self._gates.note(done)
            self._lines.note(done)
            self._held.note_end(done.job.claim.endpoint_id)
            if attempted.next_attempt_at is not None:
                delay = (attempted.next_attempt_at - attempted.finished_at).total_seconds()
                self._held.note_due(attempted.claim.endpoint_id, delay)

    def _give_back(self) -> None:
        """Return claims that cannot begin in time, or any more in this run."""
        for job in self._engine.withdraw(everything=self._intake is _Intake.NONE):
            self._unsent.append(job.claim)
            self._held.note_due(job.claim.endpoint_id, 0.0)
        if self._unsent:
            outbox.unclaim(self._unsent, now=datetime.now(UTC))
            self._unsent.clear()

    def _flush(self) -> None:
        disabled = self._recorder.flush(now=self._engine.is_idle)
        if not len(self._recorder):
            for lane in self._lines.moved():
                self._held.note_due(lane, 0.0)
            # What endpoints do is written down after what their deliveries did.
            disabled += health.write(self._gates.noted(everything=self._engine.is_idle), datetime.now(UTC))
        for endpoint_id in disabled:
            self._snapshots.forget(endpoint_id)

    def _release(self) -> None:
        keep = [] if self._intake is _Intake.NONE else [*self._held.due(), *self._held.soon_due(_KEPT_CLOSED)]
        if self._intake is _Intake.ALL and self._is_room_small():
            # Those that found no room for long are better off with others, or in the queue.
            neglected = set(self._held.neglected(_NEGLECT))
            keep = [lane for lane in keep if lane not in neglected]
        self._held.release(lambda lane: self._engine.held_by(lane) > 0, keep=keep, leave=self._gates.leave)

    def _leave(self) -> None:
        self._held.leave()
        self._call_others()

    def _call_others(self) -> None:
        now = time.monotonic()
        if self._held.others_wait and now - self._called_at >= _CALL_INTERVAL:
            self._called_at = now
            wake.call_pump()

    def _reach_redis(self, act: Callable[[], None]) -> None:
        """Do what needs Redis. Without Redis the run takes in nothing more, finishes what it has, and ends."""
        if self._is_redis_lost:
            return
        try:
            act()
        except (RedisError, BrokerError) as error:
            logger.warning("Redis was not reached, ending this run: %s", error)
            self._is_redis_lost = True
            self._intake = _Intake.NONE

    def _reach_database(self, act: Callable[[], None]) -> None:
        """Do what needs the database. Without it the run keeps its outcomes for as long as its claims last."""
        try:
            act()
            self._saved_at = time.monotonic()
        except (OperationalError, InterfaceError) as error:
            logger.error("the database was not reached: %s", error)
            self._intake = _Intake.NONE
            connection.close()
            if time.monotonic() - self._saved_at > self._settings.claim_lease:
                self._recorder.give_up()
                self._unsent.clear()
            time.sleep(_DATABASE_PAUSE)


def _rules() -> Rules:
    configured = settings.WEBHOOKS
    breaker = BreakerRules(
        failure_rate=configured.breaker_failure_rate,
        minimum=configured.breaker_minimum,
        window=configured.breaker_window,
        connection_failures=configured.breaker_connection_failures,
        pause=configured.breaker_pause,
        pause_max=configured.breaker_pause_max,
    )
    return Rules(breaker, configured.throttle_step)


def _is_oldest_first(snapshot: EndpointSnapshot) -> bool:
    return snapshot.flow is not None and snapshot.flow.is_oldest_first
