"""The transport over requests.

Threads send with a lean `HTTPAdapter`: guarded connections, one shared TLS context, nothing from the
environment (no proxies, no netrc), no redirects, a capped response and a hard deadline.
"""

import queue
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from itertools import islice
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as HTTPTimeout
from urllib3.util import Timeout, Url, parse_url

from dispatch import addresses
from dispatch.connections import AddressRefused, Connector, NameNotResolvedInTime, pool_manager, this_thread
from dispatch.deadlines import Exchange, Watchdog
from dispatch.states import Outcome
from dispatch.transport import Request, Result

_HEADERS_KEPT = 50
_HEADER_LENGTH_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a transport allows itself and receivers. Times are seconds, sizes are bytes."""

    concurrency: int
    deadline: float
    connect_timeout: float
    response_limit: int
    allowed_networks: tuple[addresses.Network, ...] = ()


@dataclass(slots=True)
class _Answer:
    """What is known of a receiver's answer so far."""

    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class RequestsTransport:
    """A `Transport` of `limits.concurrency` threads.

    `tls` replaces the TLS context, which trusts certifi's authorities and asks for TLS 1.2 or newer.
    """

    def __init__(self, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits
        self._watchdog = Watchdog()
        self._connector = Connector(timeout=limits.connect_timeout, allowed_networks=limits.allowed_networks)
        self._adapter = _LeanAdapter(tls or _tls_context())
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"sender-{number}", daemon=True)
            for number in range(limits.concurrency)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, request: Request) -> None:
        """Queue `request` for the next free thread."""
        self._requests.put(request)

    def poll(self, timeout: float) -> list[Result]:
        """Wait up to `timeout` seconds for a result, and return it with all others that are there."""
        results: list[Result] = []
        try:
            results.append(self._results.get(timeout=timeout))
            while True:
                results.append(self._results.get_nowait())
        except queue.Empty:
            return results

    def close(self) -> None:
        """Let the threads finish what is submitted, then close the connections."""
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join()
        self._watchdog.close()
        self._connector.close()
        self._adapter.close()

    def _work(self) -> None:
        this_thread.connector = self._connector
        while (request := self._requests.get()) is not None:
            self._results.put(self._send(request))

    def _send(self, request: Request) -> Result:
        started_at, started = datetime.now(UTC), time.monotonic()
        answer, failure, error = _Answer(), None, ""
        with self._watchdog.limit(self._limits.deadline) as exchange:
            this_thread.exchange = exchange
            try:
                self._converse(request, exchange, answer)
            except Exception as problem:  # noqa: BLE001 - whatever happens, a request has a result
                failure, error = _explain(problem, has_answered=answer.status_code is not None)
        # A socket that was shut under an answer without a length looks like its regular end.
        if exchange.expired or (failure is not None and not exchange.remaining):
            failure, error = Outcome.TIMEOUT, f"There was no complete answer within {self._limits.deadline:g} seconds."
        return Result(
            key=request.key,
            started_at=started_at,
            duration=time.monotonic() - started,
            status_code=answer.status_code,
            headers=answer.headers,
            body=answer.body,
            remote_address=exchange.remote_address,
            failure=failure,
            error=error,
        )

    def _converse(self, request: Request, exchange: Exchange, answer: _Answer) -> None:
        timeout = Timeout(connect=self._limits.connect_timeout, read=exchange.remaining)
        response = self._adapter.send(_prepared(request), stream=True, timeout=timeout)  # type: ignore[arg-type]
        answer.status_code = response.status_code
        answer.headers = _kept_headers(response.headers)
        complete = False
        try:
            # Reading on to one byte more than is kept tells a body that ends at the limit from one that goes on.
            wanted = self._limits.response_limit + 1
            while wanted and (part := response.raw.read(wanted, decode_content=False)):
                answer.body += part
                wanted -= len(part)
            answer.body = answer.body[: self._limits.response_limit]
            complete = wanted > 0
        finally:
            if complete:
                response.raw.release_conn()
            else:
                response.raw.close()


class _LeanAdapter(HTTPAdapter):
    """requests' adapter without what a known URL and a shared TLS context make unnecessary."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        self.poolmanager = pool_manager(self._tls)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        url = _parsed(str(request.url))
        pool: HTTPConnectionPool = self.poolmanager.connection_from_host(url.host, url.port, url.scheme)
        return pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return _parsed(str(request.url)).request_uri

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the shared TLS context verifies, and setting files here would load them again each time."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Make a response without cookies, which nobody wants: long ones keep their parser busy for many seconds."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        return response


@lru_cache(maxsize=10_000)
def _parsed(url: str) -> Url:
    return parse_url(url)


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _prepared(request: Request) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.method = "POST"
    prepared.url = request.url
    prepared.headers = CaseInsensitiveDict(request.headers)
    prepared.headers["Content-Length"] = str(len(request.body))
    prepared.body = request.body
    return prepared


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    kept = islice(headers.items(), _HEADERS_KEPT)
    return {name[:_HEADER_LENGTH_KEPT].lower(): value[:_HEADER_LENGTH_KEPT] for name, value in kept}


def _explain(problem: BaseException, *, has_answered: bool) -> tuple[Outcome, str]:
    """Say what kept an answer from coming: its class, and a sentence without the URL."""
    causes = list(_causes(problem))

    def find(*kinds: type[BaseException]) -> BaseException | None:
        return next((cause for cause in causes if isinstance(cause, kinds)), None)

    if refused := find(AddressRefused):
        return Outcome.ADDRESS_REFUSED, f"The address was refused: {refused}. See WEBHOOKS_ALLOWED_NETWORKS."
    if find(NameNotResolvedInTime):
        return Outcome.TIMEOUT, "The host name was not resolved in time."
    if find(NameResolutionError):
        return Outcome.DNS_ERROR, "The host name could not be resolved."
    if tls := find(ssl.SSLError) or find(SSLError):
        return Outcome.TLS_ERROR, f"TLS failed: {_reason_of_tls(tls)}."
    if find(TimeoutError, HTTPTimeout) and not find(NewConnectionError):
        return Outcome.TIMEOUT, "The connection timed out."
    if find(IncompleteRead):
        return Outcome.PROTOCOL_ERROR, "The answer ended before it was complete."
    if find(HTTPException) and not find(RemoteDisconnected, ConnectionError):
        return Outcome.PROTOCOL_ERROR, "The answer was not valid HTTP."
    if find(OSError):
        reasons = (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror)
        return Outcome.CONNECTION_ERROR, f"The connection failed: {next(reasons, 'closed by the receiver')}."
    if has_answered or (find(HTTPError) and not find(LocationValueError)):
        return Outcome.PROTOCOL_ERROR, "The answer was not valid HTTP."
    return Outcome.CANNOT_BUILD, f"The request could not be sent ({type(problem).__name__})."


def _causes(problem: BaseException | None) -> Any:
    """Walk from what requests raised to what happened first."""
    seen: list[BaseException] = []
    todo = [problem]
    while todo:
        current = todo.pop(0)
        if not isinstance(current, BaseException) or any(current is other for other in seen):
            continue
        seen.append(current)
        # requests wraps whatever happened in errors of its own, all of which are `OSError`s.
        if not isinstance(current, requests.RequestException):
            yield current
        todo += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]


def _reason_of_tls(problem: BaseException) -> str:
    message = getattr(problem, "verify_message", "") or getattr(problem, "reason", "")
    return message.replace("_", " ").lower().rstrip(".") if isinstance(message, str) and message else "no handshake"
