import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import standardwebhooks

from dispatch.access import Access, access_of
from dispatch.endpoint_snapshots import EndpointSnapshot
from dispatch.engine import Engine, Job
from dispatch.outbox import Claim
from dispatch.requests_transport import RequestsTransport
from dispatch.states import Outcome
from dispatch.transport import Request, Result, Transport
from subscriptions import ids
from subscriptions.credentials import Bearer
from subscriptions.models import EndpointState
from tests.dispatch.receivers import Answer, receiving
from tests.dispatch.sending import LONG, collect, transporting
from tests.dispatch.signers import signer_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLOW_AFTER = 3.0


class InMemory:
    """A transport whose requests wait until the test says how they end."""

    def __init__(self) -> None:
        self.under_way: list[Request] = []
        self.sent: list[Request] = []
        self._results: list[Result] = []

    def submit(self, request: Request) -> None:
        self.under_way.append(request)
        self.sent.append(request)

    def poll(self, timeout: float) -> list[Result]:
        results, self._results = self._results, []
        return results

    def close(self) -> None:
        pass

    def answer(self, count: int = 1, status: int = 200, *, took: float = 0.1, failure: Outcome | None = None) -> None:
        """End the requests that are longest under way."""
        for _ in range(count):
            key = self.under_way.pop(0).key
            known = None if failure else status
            self._results.append(Result(key, datetime.now(UTC), took, known, failure=failure))


def make_engine(transport: Transport, *, concurrency: int = 4, largest_window: int = 64) -> Engine:
    return Engine(
        transport,
        concurrency=concurrency,
        largest_window=largest_window,
        slow_after=SLOW_AFTER,
        user_agent="webhook-dispatcher/1.2.3",
    )


def make_endpoint(
    url: str = "http://127.0.0.1:1/hooks", *, secrets: tuple[str, ...] = (SECRET,), schemes: list[str] | None = None
) -> EndpointSnapshot:
    return EndpointSnapshot(uuid.uuid4(), url, EndpointState.ACTIVE, signer_of(*secrets, schemes=schemes))


def make_job(
    endpoint: EndpointSnapshot, *, body: bytes = b"{}", begin_in: float = LONG, begin_by: float | None = None
) -> Job:
    claim = Claim(uuid.uuid4(), uuid.uuid4(), endpoint.id, 1, uuid.uuid4())
    return Job(claim, endpoint, body, time.monotonic() + begin_in if begin_by is None else begin_by)


def submit(engine: Engine, endpoint: EndpointSnapshot, count: int) -> list[Job]:
    jobs = [make_job(endpoint) for _ in range(count)]
    for job in jobs:
        engine.submit(job)
    return jobs


def prove(engine: Engine, transport: InMemory, endpoint: EndpointSnapshot, successes: int = 1) -> None:
    for _ in range(successes):
        submit(engine, endpoint, 1)
        transport.answer()
        collect(engine.poll, 1)


def make_quick(engine: Engine, transport: InMemory) -> EndpointSnapshot:
    """Make an endpoint that has answered quickly. What was sent for that is forgotten."""
    endpoint = make_endpoint()
    prove(engine, transport, endpoint)
    transport.sent.clear()
    return endpoint


@pytest.fixture
def transport() -> InMemory:
    return InMemory()


@pytest.fixture
def real_transport() -> Iterator[RequestsTransport]:
    with transporting() as transport:
        yield transport


class Clock:
    """The engine's clock, which stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_772_600_767.9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dispatch.engine.time", clock)
    return clock


class TestARequest:
    def test_has_the_headers_of_a_standard_webhook(self, transport: InMemory, clock: Clock) -> None:
        endpoint = make_endpoint("https://receiver.example/hooks?x=1")
        job = Job(make_job(endpoint).claim, endpoint, '{"name":"Zoë"}'.encode(), clock.now + 1)
        make_engine(transport).submit(job)

        [request] = transport.sent
        assert (request.url, request.body) == ("https://receiver.example/hooks?x=1", '{"name":"Zoë"}'.encode())
        signature = standardwebhooks.Webhook(SECRET).sign(
            ids.encode("evt", job.claim.event_id), datetime.fromtimestamp(1_772_600_767, UTC), '{"name":"Zoë"}'
        )
        assert request.headers == {
            "Content-Type": "application/json",
            "User-Agent": "webhook-dispatcher/1.2.3",
            "Accept-Encoding": "identity",
            "webhook-id": ids.encode("evt", job.claim.event_id),
            "webhook-timestamp": "1772600767",
            "webhook-signature": signature,
        }

    def test_has_the_headers_of_the_scheme_that_the_endpoint_chose(self, transport: InMemory) -> None:
        endpoint = make_endpoint(secrets=("new", "old"), schemes=["x-signature"])
        make_engine(transport).submit(make_job(endpoint, body=b"{}"))

        [request] = transport.sent
        assert set(request.headers) == {"Content-Type", "User-Agent", "Accept-Encoding", "webhook-id", "X-Signature"}
        # printf '{}' | openssl dgst -sha256 -hmac new
        assert request.headers["X-Signature"] == "56fde440898b2046eee6f58816ea81c5780d6bd5d34d1ce41b99d54edacbc4b8"

    def test_comes_back_with_its_job_result_and_verdict(self, transport: InMemory) -> None:
        engine = make_engine(transport)
        [job] = submit(engine, make_endpoint(), 1)
        transport.answer(status=503)
        [done] = engine.poll(0)

        assert (done.job, done.result.status_code, done.verdict.outcome) == (job, 503, Outcome.HTTP_ERROR)
        assert done.verdict.error == "The receiver answered 503."

    def test_reaches_a_real_receiver(self, real_transport: RequestsTransport) -> None:
        with receiving(Answer(202, body=b"thanks")) as receiver:
            engine = make_engine(real_transport)
            job = make_job(make_endpoint(receiver.url), body=b'{"amount": 100}')
            engine.submit(job)
            [done] = collect(engine.poll, 1)

        [received] = receiver.received
        assert (done.job, done.result.status_code, done.result.body) == (job, 202, b"thanks")
        assert done.verdict.outcome is Outcome.SUCCESS
        assert (received.path, received.body) == ("/hooks", b'{"amount": 100}')
        assert received.headers["User-Agent"] == "webhook-dispatcher/1.2.3"
        assert received.headers["Content-Type"] == "application/json"
        assert standardwebhooks.Webhook(SECRET).verify(received.body, dict(received.headers)) == {"amount": 100}


class TestAJobThatCannotBeSigned:
    @pytest.mark.parametrize(
        ("secrets", "error"),
        [
            ((), "Not signed: There is no valid signing secret."),
            (("whsec_abc",), "Not signed: There is no valid signing secret."),
        ],
    )
    def test_ends_without_a_request(self, secrets: tuple[str, ...], error: str, transport: InMemory) -> None:
        engine = make_engine(transport)
        [job] = submit(engine, make_endpoint(secrets=secrets), 1)
        [done] = engine.poll(LONG)

        assert (done.job, transport.sent) == (job, [])
        assert (done.verdict.outcome, done.verdict.error) == (Outcome.CANNOT_BUILD, error)
        assert (done.verdict.final, done.result.status_code, done.result.duration) == (False, None, 0)
        assert engine.is_idle

    def test_frees_its_slot(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=1)
        unsigned, signed = make_endpoint(secrets=()), make_endpoint()
        submit(engine, unsigned, 1)
        submit(engine, signed, 1)
        assert transport.sent == []

        engine.poll(0)
        assert [request.url for request in transport.sent] == [signed.url]


class TestAnEndpointWithAccess:
    def test_has_its_headers_in_each_request_and_the_dispatchers_own_win(self, transport: InMemory) -> None:
        access = access_of(Bearer(token="abc"), {"X-Tenant": "7", "webhook-id": "forged"})
        submit(make_engine(transport), replace(make_endpoint(), access=access), 1)

        [request] = transport.sent
        assert (request.headers["Authorization"], request.headers["X-Tenant"]) == ("Bearer abc", "7")
        assert request.headers["webhook-id"].startswith("evt_")
        assert request.access is access

    def test_that_cannot_be_read_sends_nothing(self, transport: InMemory) -> None:
        engine = make_engine(transport)
        submit(engine, replace(make_endpoint(), access=Access({}, problem="The key was lost.")), 1)
        [done] = engine.poll(LONG)

        assert transport.sent == []
        assert (done.verdict.outcome, done.verdict.error) == (Outcome.CANNOT_BUILD, "Not sent: The key was lost.")

    def test_that_got_no_token_may_have_one_request_at_a_time_again(self, transport: InMemory) -> None:
        engine, endpoint = make_engine(transport, concurrency=64), make_endpoint()
        prove(engine, transport, endpoint, successes=3)
        assert engine.rooms([endpoint.id])[endpoint.id] > 1
        submit(engine, endpoint, 1)
        transport.answer(failure=Outcome.CREDENTIALS_FAILED)
        collect(engine.poll, 1)

        assert engine.rooms([endpoint.id]) == {endpoint.id: 1}


class TestSlots:
    def test_no_more_requests_than_slots_are_under_way(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=4)
        submit(engine, make_quick(engine, transport), 7)
        assert len(transport.under_way) == 4

        transport.answer(1)
        engine.poll(0)
        assert (len(transport.under_way), len(transport.sent)) == (4, 5)

        transport.answer(4)
        assert len(engine.poll(0)) == 4
        assert (len(transport.under_way), len(transport.sent)) == (2, 7)

    def test_jobs_of_an_endpoint_begin_in_the_order_in_which_they_came(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=2)
        jobs = submit(engine, make_quick(engine, transport), 6)
        for _ in range(3):
            transport.answer(2)
            engine.poll(0)

        assert [request.key for request in transport.sent] == jobs

    def test_endpoints_take_turns(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=1)
        one, two, three = (make_quick(engine, transport) for _ in range(3))
        ones, twos = submit(engine, one, 4), submit(engine, two, 2)
        transport.answer()
        engine.poll(0)
        threes = submit(engine, three, 1)
        while transport.under_way:
            transport.answer()
            engine.poll(0)

        assert [request.key for request in transport.sent] == [
            *(ones[0], ones[1]),
            *(twos[0], ones[2], threes[0]),
            *(twos[1], ones[3]),
        ]

    def test_it_holds_four_times_as_many_jobs_as_it_has_slots(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=2)
        endpoint = make_quick(engine, transport)
        assert (engine.capacity, engine.room, engine.is_idle) == (8, 8, True)

        submit(engine, endpoint, 7)
        assert (engine.room, engine.is_idle) == (1, False)

        for _ in range(3):
            transport.answer(2)
            engine.poll(0)
        assert (engine.room, engine.is_idle) == (7, False)
        transport.answer(1)
        engine.poll(0)
        assert (engine.room, engine.is_idle) == (8, True)

    def test_requests_really_go_side_by_side(self, real_transport: RequestsTransport) -> None:
        go_on = threading.Event()
        with receiving(Answer(), *[Answer(after=go_on)] * 4) as receiver:
            engine = make_engine(real_transport, concurrency=4)
            endpoint = make_endpoint(receiver.url)
            submit(engine, endpoint, 1)
            collect(engine.poll, 1)
            jobs = submit(engine, endpoint, 5)
            deadline = time.monotonic() + LONG
            while len(receiver.received) < 5 and time.monotonic() < deadline:
                assert engine.poll(0.02) == []
            go_on.set()
            done = collect(engine.poll, 5)

        assert {each.job for each in done} == set(jobs)
        assert len(receiver.received) == 6


class TestSoonIdle:
    """Whether everything under way is with endpoints from which a quick answer can be expected."""

    def test_it_is_when_nothing_is_under_way(self, transport: InMemory) -> None:
        assert make_engine(transport).will_soon_be_idle

    def test_it_is_not_while_a_new_endpoint_has_not_answered(self, transport: InMemory) -> None:
        engine = make_engine(transport)
        submit(engine, make_quick(engine, transport), 1)
        assert engine.will_soon_be_idle

        submit(engine, make_endpoint(), 1)
        assert not engine.will_soon_be_idle
        transport.answer(2)
        engine.poll(0)
        assert engine.will_soon_be_idle

    def test_it_is_not_while_an_endpoint_has_a_request_that_may_take_until_the_deadline(
        self, transport: InMemory
    ) -> None:
        engine = make_engine(transport)
        endpoint = make_quick(engine, transport)
        submit(engine, endpoint, 1)
        transport.answer(failure=Outcome.TIMEOUT)
        engine.poll(0)
        assert engine.will_soon_be_idle

        submit(engine, endpoint, 1)
        assert not engine.will_soon_be_idle

    def test_it_is_not_while_a_request_is_long_under_way(self, transport: InMemory, clock: Clock) -> None:
        engine = make_engine(transport)
        endpoint = make_endpoint()
        for answers in (1, 0):
            engine.submit(Job(make_job(endpoint).claim, endpoint, b"{}", clock.now + 100))
            transport.answer(answers)
            engine.poll(0)
        clock.now += SLOW_AFTER
        assert engine.will_soon_be_idle

        clock.now += 0.1
        assert not engine.will_soon_be_idle


class TestWindows:
    def test_an_endpoint_begins_with_one_request_and_its_window_grows_with_successes(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=64)
        endpoint = make_endpoint()
        assert engine.rooms([endpoint.id]) == {endpoint.id: 1}

        submit(engine, endpoint, 1)
        assert (engine.rooms([endpoint.id]), engine.held_by(endpoint.id)) == ({}, 1)

        transport.answer(1)
        engine.poll(0)
        assert (engine.rooms([endpoint.id]), engine.held_by(endpoint.id)) == ({endpoint.id: 9}, 0)

    def test_a_window_grows_no_further_than_the_settings_allow(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=64, largest_window=10)
        endpoint = make_endpoint()
        prove(engine, transport, endpoint, 30)

        assert engine.rooms([endpoint.id]) == {endpoint.id: 10}

    def test_a_window_never_takes_more_than_half_of_the_slots(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=16, largest_window=64)
        endpoint = make_endpoint()
        prove(engine, transport, endpoint, 30)

        assert engine.rooms([endpoint.id]) == {endpoint.id: 8}

    def test_with_one_slot_an_endpoint_may_have_it(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=1)
        endpoint = make_endpoint()

        assert engine.rooms([endpoint.id]) == {endpoint.id: 1}

    @pytest.mark.parametrize(
        ("answer", "room", "is_slow"),
        [
            ({"status": 200}, 11, False),
            ({"status": 200, "took": SLOW_AFTER + 1}, 11, True),
            ({"status": 500}, 10, False),
            ({"status": 404}, 10, False),
            ({"status": 302}, 10, False),
            ({"status": 429}, 5, False),
            ({"status": 502}, 5, False),
            ({"status": 503}, 5, False),
            ({"status": 504}, 5, False),
            ({"failure": Outcome.TIMEOUT}, 1, True),
            ({"failure": Outcome.CONNECTION_ERROR}, 10, False),
            ({"failure": Outcome.DNS_ERROR}, 10, False),
            ({"failure": Outcome.TLS_ERROR}, 10, False),
        ],
    )
    def test_what_an_answer_does_to_the_window(
        self, answer: dict[str, object], room: int, is_slow: bool, transport: InMemory
    ) -> None:
        engine = make_engine(transport, concurrency=64)
        endpoint = make_endpoint()
        prove(engine, transport, endpoint, 2)
        submit(engine, endpoint, 1)
        transport.answer(**answer)  # type: ignore[arg-type]
        engine.poll(0)

        assert (engine.rooms([endpoint.id]), engine.is_slow(endpoint.id)) == ({endpoint.id: room}, is_slow)

    def test_an_endpoint_that_does_not_answer_is_slow_after_a_while(self, transport: InMemory, clock: Clock) -> None:
        engine = make_engine(transport)
        endpoint = make_endpoint()
        engine.submit(Job(make_job(endpoint).claim, endpoint, b"{}", clock.now + 1))
        transport.answer()
        engine.poll(0)
        engine.submit(Job(make_job(endpoint).claim, endpoint, b"{}", clock.now + 1))
        assert not engine.is_slow(endpoint.id)

        clock.now += SLOW_AFTER + 0.1
        assert engine.is_slow(endpoint.id)

    def test_endpoints_that_hang_leave_half_of_the_slots_to_the_others(self, real_transport: RequestsTransport) -> None:
        never = threading.Event()
        with receiving(*[Answer(after=never)] * 9) as hanging, receiving() as healthy:
            engine = make_engine(real_transport, concurrency=4)
            neighbour = make_endpoint(healthy.url)
            submit(engine, neighbour, 1)
            collect(engine.poll, 1)
            endpoints = [make_endpoint(hanging.url) for _ in range(9)]
            rooms = engine.rooms([endpoint.id for endpoint in endpoints])
            for endpoint in endpoints:
                submit(engine, endpoint, rooms.get(endpoint.id, 0))
            assert sum(rooms.values()) == 8

            submit(engine, neighbour, 20)
            done = collect(engine.poll, 20)
            assert len(hanging.received) <= 2
            never.set()
            collect(engine.poll, 8)

        assert {each.job.endpoint for each in done} == {neighbour}
        assert {each.verdict.outcome for each in done} == {Outcome.SUCCESS}

    def test_new_endpoints_have_half_of_the_slots(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=8)
        quick = make_quick(engine, transport)
        new = [make_endpoint() for _ in range(20)]
        rooms = engine.rooms([endpoint.id for endpoint in new])
        assert list(rooms.items()) == [(endpoint.id, 1) for endpoint in new[:16]]

        for endpoint in new[:16]:
            submit(engine, endpoint, 1)
        assert len(transport.under_way) == 4
        submit(engine, quick, 4)
        assert len(transport.under_way) == 8

        transport.answer(4)
        engine.poll(0)
        assert [request.key.endpoint for request in transport.under_way] == [*[quick] * 4, *new[4:8]]

    def test_an_endpoint_that_was_always_quick_and_now_hangs_leaves_slots_to_the_others(
        self, transport: InMemory
    ) -> None:
        engine = make_engine(transport, concurrency=16)
        hanging, neighbour = make_endpoint(), make_endpoint()
        prove(engine, transport, hanging, 30)
        submit(engine, hanging, engine.rooms([hanging.id])[hanging.id])
        before = len(transport.sent)
        submit(engine, neighbour, 8)

        assert len(transport.sent) == before + 8

    def test_endpoints_that_answer_slowly_never_get_more_than_half_of_the_slots(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=16)
        slow = [make_endpoint() for _ in range(4)]
        for endpoint in slow:
            submit(engine, endpoint, 1)
        transport.answer(4, took=SLOW_AFTER * 2)
        engine.poll(0)
        for _ in range(10):
            rooms = engine.rooms([endpoint.id for endpoint in slow])
            assert sum(rooms.values()) == 8
            for endpoint in slow:
                submit(engine, endpoint, rooms.get(endpoint.id, 0))
            assert len(transport.under_way) == 8
            transport.answer(8, took=SLOW_AFTER * 2)
            engine.poll(0)

    def test_what_an_endpoint_holds_that_began_to_hang_counts_among_that_half(
        self, transport: InMemory, clock: Clock
    ) -> None:
        engine = make_engine(transport, concurrency=8)
        hanging, quick = make_endpoint(), make_endpoint()
        for endpoint in (hanging, quick):
            engine.submit(make_job(endpoint, begin_by=clock.now + 100))
            transport.answer()
            engine.poll(0)
        for endpoint in (*[hanging] * 3, *[make_endpoint() for _ in range(5)]):
            engine.submit(make_job(endpoint, begin_by=clock.now + 100))
        assert len(transport.under_way) == 7

        # A new one answers after long: nobody new begins in its place, as three that hang and three new ones are there.
        clock.now += SLOW_AFTER + 0.1
        transport.under_way.insert(0, transport.under_way.pop())
        transport.answer()
        engine.poll(0)
        assert len(transport.under_way) == 6
        for _ in range(2):
            engine.submit(make_job(quick, begin_by=clock.now + 100))
        assert len(transport.under_way) == 8

    def test_jobs_that_wait_when_their_endpoint_turns_slow_share_that_half(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=4)
        hanging, quick = make_quick(engine, transport), make_quick(engine, transport)
        submit(engine, hanging, 8)
        assert len(transport.under_way) == 4

        transport.answer(4, failure=Outcome.TIMEOUT)
        engine.poll(0)
        assert len(transport.under_way) == 2
        submit(engine, quick, 2)
        assert len(transport.under_way) == 4

    def test_new_and_slow_endpoints_together_never_get_more_than_half_of_the_slots(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=8)
        slow, quick = make_endpoint(), make_quick(engine, transport)
        submit(engine, slow, 1)
        transport.answer(took=SLOW_AFTER * 2)
        engine.poll(0)
        new = [make_endpoint() for _ in range(4)]
        for endpoint in (*new, slow, slow, slow, slow):
            submit(engine, endpoint, 1)
        assert len(transport.under_way) == 4

        submit(engine, quick, 4)
        assert len(transport.under_way) == 8


class TestJobsThatHaveNotBegun:
    def test_are_given_back(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=4)
        endpoint = make_endpoint()
        prove(engine, transport, endpoint)
        jobs = submit(engine, endpoint, 7)

        assert engine.withdraw() == []
        assert engine.withdraw(everything=True) == jobs[4:]
        assert engine.withdraw(everything=True) == []
        assert (engine.room, engine.held_by(endpoint.id)) == (12, 4)

    def test_are_never_begun_once_they_were_given_back(self, transport: InMemory) -> None:
        engine = make_engine(transport, concurrency=2)
        jobs = submit(engine, make_quick(engine, transport), 4)
        engine.withdraw(everything=True)
        transport.answer(2)
        engine.poll(0)

        assert [request.key for request in transport.sent] == jobs[:2]
        assert engine.is_idle

    def test_are_not_begun_when_it_is_too_late(self, transport: InMemory) -> None:
        engine = make_engine(transport)
        job = make_job(make_endpoint(), begin_in=-0.001)
        engine.submit(job)
        engine.poll(0)

        assert transport.sent == []
        assert engine.withdraw() == [job]
        assert engine.is_idle

    def test_are_given_back_when_it_got_too_late_while_they_waited(self, transport: InMemory, clock: Clock) -> None:
        engine = make_engine(transport, concurrency=1)
        endpoint = make_endpoint()
        first, second, third = (
            Job(make_job(endpoint).claim, endpoint, b"{}", clock.now + seconds) for seconds in (10, 10, 20)
        )
        for job in (first, second, third):
            engine.submit(job)
        clock.now += 10
        transport.answer()
        assert [done.job for done in engine.poll(0)] == [first]

        assert engine.withdraw() == [second]
        assert [request.key for request in transport.sent] == [first, third]

    def test_may_be_of_a_delivery_that_is_under_way_with_an_ended_claim(self, transport: InMemory) -> None:
        # The machine was asleep for longer than the lease: the delivery was rescued, and claimed once more.
        engine = make_engine(transport)
        endpoint = make_endpoint()
        old = make_job(endpoint)
        claim = Claim(old.claim.delivery_id, old.claim.event_id, endpoint.id, 2, uuid.uuid4())
        new = Job(claim, endpoint, b"{}", old.begin_by)
        engine.submit(old)
        engine.submit(new)
        transport.answer(2)

        assert [done.job for done in engine.poll(0)] == [old, new]
        assert (engine.is_idle, engine.held_by(endpoint.id)) == (True, 0)
