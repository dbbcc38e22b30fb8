"""Outcomes on their way into the database: gathered for a moment, then written in one statement."""

import logging
import random
import time
import uuid
from datetime import UTC, datetime

from dispatch import outbox
from dispatch.endpoint_gone import disable_gone
from dispatch.engine import Done
from dispatch.outbox import Attempted
from dispatch.recording import record
from dispatch.states import Outcome
from subscriptions import ids

logger = logging.getLogger(__name__)


class Recorder:
    """Gathers up to `size` outcomes for up to `interval` seconds. Logs every attempt that failed."""

    def __init__(self, *, worker: str, size: int, interval: float) -> None:
        self._worker = worker
        self._size = size
        self._interval = interval
        self._gathered: list[Attempted] = []
        self._full_at = 0.0
        self._heads: set[uuid.UUID] = set()

    def __len__(self) -> int:
        return len(self._gathered)

    @property
    def patience(self) -> float:
        """How many seconds the outcomes that are gathered may still wait."""
        return max(0.0, self._full_at - time.monotonic())

    def note(self, done: Done) -> Attempted:
        """Gather what came of a job, and say what it was."""
        if not self._gathered:
            self._full_at = time.monotonic() + self._interval
        attempted = record(done, now=datetime.now(UTC), chance=random.random(), worker=self._worker)  # noqa: S311 - jitter
        self._gathered.append(attempted)
        _log(attempted)
        return attempted

    def flush(self, *, now: bool) -> list[uuid.UUID]:
        """Write what is gathered if it is time, or `now`. Return the ids of endpoints that were disabled by it."""
        if not self._gathered or not (now or len(self._gathered) >= self._size or self.patience == 0):
            return []
        # Before the attempts that name them: those that this run has not seen yet, which are few.
        new = {each.head.id: each.head for each in self._gathered if each.head and each.head.id not in self._heads}
        outbox.insert_heads(new.values())
        self._heads.update(new)
        moved = outbox.finish(self._gathered)
        gathered, self._gathered = self._gathered, []
        for attempted in gathered:
            if attempted.claim.delivery_id not in moved:
                logger.warning("the claim of %s had ended", ids.encode("dlv", attempted.claim.delivery_id))
        gone = list({each.claim.endpoint_id for each in gathered if each.outcome is Outcome.ENDPOINT_GONE})
        for endpoint_id in gone:
            disable_gone(endpoint_id, datetime.now(UTC))
        return gone

    def give_up(self) -> None:
        """Forget what is gathered: the claims have ended, and the deliveries will be sent again."""
        logger.error("%d outcomes are lost, their deliveries will be sent again", len(self._gathered))
        self._gathered.clear()


def _log(attempted: Attempted) -> None:
    level = logging.DEBUG if attempted.outcome is Outcome.SUCCESS else logging.INFO
    if logger.isEnabledFor(level):
        logger.log(
            level,
            "%s: attempt %d of %s to %s: %s",
            attempted.outcome,
            attempted.claim.attempt,
            ids.encode("dlv", attempted.claim.delivery_id),
            ids.encode("ep", attempted.claim.endpoint_id),
            attempted.error or attempted.status_code,
        )
