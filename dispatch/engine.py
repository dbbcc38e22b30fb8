"""The engine of a worker process: it signs what is claimed, sends it, and judges what comes back.

It knows neither database nor Redis. It belongs to the process and outlives the pump's runs, so that
connections, windows and threads are kept.
"""

import time
import uuid
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from dispatch.access import NoAccess
from dispatch.classify import Verdict, classify
from dispatch.endpoint_snapshots import EndpointSnapshot
from dispatch.heads import Head, head_of, timestamp_of
from dispatch.outbox import Claim
from dispatch.signing import NothingToSignWith, signature_headers
from dispatch.states import Outcome
from dispatch.transport import Request, Result, Transport
from dispatch.turns import Turns
from dispatch.windows import Windows
from subscriptions import ids

_CLAIMS_PER_SLOT = 4
_CLAIMS_AHEAD = 192


# Compared by identity: after a claim has ended, the same delivery may be claimed once more.
@dataclass(slots=True, eq=False)
class Job:
    """A claimed delivery with what its request needs. It must not be begun after `begin_by` (monotonic clock).

    `kind` is the prefix of the id that the request carries: an ownership challenge is sent like a delivery.
    The engine says in `begun_at` when it signed the request, and in `head` how that began.
    """

    claim: Claim
    endpoint: EndpointSnapshot
    body: bytes = field(repr=False)
    begin_by: float
    kind: str = "evt"
    begun_at: datetime | None = None
    head: Head | None = None


class Done(NamedTuple):
    """A job whose attempt has ended."""

    job: Job
    result: Result
    verdict: Verdict


def headers_of(
    endpoint: EndpointSnapshot, *, message_id: str, timestamp: int, body: bytes, user_agent: str
) -> dict[str, str]:
    """Write the headers of a request to `endpoint`. Raises `NothingToSignWith` and `NoAccess`."""
    signed = signature_headers(endpoint.signer, message_id=message_id, timestamp=timestamp, body=body)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": user_agent,
        # What is kept of the answer is kept as it came: no receiver can blow it up.
        "Accept-Encoding": "identity",
        **signed,
    }
    access = endpoint.access
    if access is None:
        return headers
    if access.problem:
        raise NoAccess(access.problem)
    return {**access.headers, **headers}


class Engine:
    """Sends jobs over a transport, at most `concurrency` at a time and as many per endpoint as its window allows."""

    def __init__(
        self, transport: Transport, *, concurrency: int, largest_window: int, slow_after: float, user_agent: str
    ) -> None:
        self._transport = transport
        self._concurrency = concurrency
        self._user_agent = user_agent
        # Some claims wait for a free slot, so that none is idle while the next are claimed.
        self.capacity = min(concurrency * _CLAIMS_PER_SLOT, concurrency + _CLAIMS_AHEAD)
        half = max(1, concurrency // 2)
        self._windows = Windows(
            capacity=self.capacity,
            slow_budget=half,
            # A receiver that has always been quick may hang the next moment: never with all slots.
            largest=min(largest_window, half),
            slow_after=slow_after,
        )
        self._waiting: Turns[Job] = Turns()
        self._under_way: set[Job] = set()
        # The same of endpoints from which no quick answer can be expected: they never get more than half of the slots.
        self._risky_waiting: Turns[Job] = Turns()
        self._risky_under_way: set[Job] = set()
        self._risky_at_most = half
        self._late: list[Job] = []
        self._unsent: list[Result] = []

    @property
    def room(self) -> int:
        """How many more jobs it can hold."""
        return self._windows.room

    @property
    def is_idle(self) -> bool:
        """Whether it holds no job."""
        return self._windows.held == 0

    @property
    def will_soon_be_idle(self) -> bool:
        """Whether everything that is under way is with endpoints from which a quick answer can be expected."""
        return not self._windows.is_any_slow(time.monotonic())

    def rooms(self, endpoint_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, int]:
        """Say how many more jobs each endpoint may have. Those without room are left out."""
        return self._windows.rooms(endpoint_ids, time.monotonic())

    def held_by(self, endpoint_id: uuid.UUID) -> int:
        """Count the jobs of an endpoint."""
        return self._windows.held_by(endpoint_id)

    def unsent_by(self, endpoint_id: uuid.UUID) -> int:
        """Count the jobs of an endpoint whose request has not left."""
        return self._windows.unsent_by(endpoint_id)

    def is_slow(self, endpoint_id: uuid.UUID) -> bool:
        """Say whether an endpoint counts as slow."""
        return self._windows.is_slow(endpoint_id, time.monotonic())

    def submit(self, job: Job) -> None:
        """Send `job` as soon as there is a free slot."""
        self._windows.hold(job.claim.endpoint_id)
        lane = job.claim.endpoint_id
        (self._risky_waiting if self.is_slow(lane) else self._waiting).add(lane, job)
        self._fill_slots()

    def poll(self, timeout: float) -> list[Done]:
        """Wait up to `timeout` seconds for attempts to end, and return all that have."""
        results, self._unsent = self._unsent, []
        results += self._transport.poll(0 if results else timeout)
        done = [self._judge(result) for result in results]
        if self._risky_waiting:
            self._count_what_turned_slow()
        self._fill_slots()
        return done

    def withdraw(self, *, everything: bool = False, lanes: Container[uuid.UUID] = ()) -> list[Job]:
        """Take back the jobs that have not begun and may not begin any more, or all that have not begun.

        Of the endpoints that `lanes` names, all are taken back.
        """
        now = time.monotonic()
        withdrawn, self._late = self._late, []
        for waiting in (self._waiting, self._risky_waiting):
            withdrawn += waiting.remove(lambda job: everything or job.begin_by <= now or job.claim.endpoint_id in lanes)
        for job in withdrawn:
            self._windows.end(job.claim.endpoint_id, job)
        return withdrawn

    def _count_what_turned_slow(self) -> None:
        now = time.monotonic()
        self._risky_under_way.update(
            job for job in self._under_way if self._windows.is_slow(job.claim.endpoint_id, now)
        )

    def _fill_slots(self) -> None:
        now = time.monotonic()
        while len(self._under_way) < self._concurrency:
            job = self._risky_waiting.take() if len(self._risky_under_way) < self._risky_at_most else None
            is_risky = job is not None
            job = job or self._waiting.take()
            if job is None:
                return
            if job.begin_by <= now:
                self._late.append(job)
                continue
            if is_risky:
                self._risky_under_way.add(job)
            elif self._windows.is_slow(job.claim.endpoint_id, now):
                # It has turned slow since the job came.
                self._risky_waiting.add(job.claim.endpoint_id, job)
                continue
            self._begin(job, now)

    def _begin(self, job: Job, now: float) -> None:
        self._under_way.add(job)
        self._windows.begin(job.claim.endpoint_id, job, now)
        try:
            request = self._request(job)
        except (NothingToSignWith, ValueError) as problem:
            what = "sent" if isinstance(problem, NoAccess) else "signed"
            self._unsent.append(
                Result(job, datetime.now(UTC), 0.0, failure=Outcome.CANNOT_BUILD, error=f"Not {what}: {problem}")
            )
        else:
            self._transport.submit(request)

    def _request(self, job: Job) -> Request:
        message_id = ids.encode(job.kind, job.claim.event_id)
        # The start of the attempt is the time that it is signed with.
        job.begun_at = datetime.fromtimestamp(time.time(), UTC)
        timestamp = timestamp_of(job.begun_at)
        headers = headers_of(
            job.endpoint,
            message_id=message_id,
            timestamp=timestamp,
            body=job.body,
            user_agent=self._user_agent,
        )
        access = job.endpoint.access
        has_token = access is not None and access.client is not None
        job.head = head_of(
            job.endpoint.url,
            headers,
            message_id=message_id,
            timestamp=timestamp,
            has_token=has_token,
            payload_format=job.endpoint.payload_format,
        )
        return Request(job, job.endpoint.url, headers, job.body, access, job.endpoint.tls, job.endpoint.timeout)

    def _judge(self, result: Result) -> Done:
        job: Job = result.key
        self._under_way.remove(job)
        self._risky_under_way.discard(job)
        lane = job.claim.endpoint_id
        if job.begun_at is not None:
            result = result._replace(started_at=job.begun_at)
        verdict = classify(result, datetime.now(UTC))
        if verdict.outcome is Outcome.SUCCESS:
            self._windows.grow(lane, result.duration)
        elif verdict.outcome in (Outcome.TIMEOUT, Outcome.CREDENTIALS_FAILED):
            self._windows.collapse(lane)
        elif verdict.slows_endpoint:
            self._windows.halve(lane)
        self._windows.end(lane, job)
        return Done(job, result, verdict)
