"""The transport over requests.

Threads send with a lean `HTTPAdapter`: guarded connections, one shared TLS context, nothing from the
environment (no proxies, no netrc), no redirects, a capped response and a hard deadline.
"""

import http.client
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from http.client import HTTPMessage, IncompleteRead
from itertools import islice
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import LocationValueError
from urllib3.util import Url, parse_url

from dispatch import addresses
from dispatch.connections import Connector
from dispatch.deadlines import Exchange, Watchdog
from dispatch.failures import explain
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
        self._connector = Connector(
            tls or _tls_context(), timeout=limits.connect_timeout, allowed_networks=limits.allowed_networks
        )
        self._adapter = _LeanAdapter(self._connector)
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
        while (request := self._requests.get()) is not None:
            self._results.put(self._send(request))

    def _send(self, request: Request) -> Result:
        started_at, started = datetime.now(UTC), time.monotonic()
        answer, failure, error = _Answer(), None, ""
        with self._watchdog.limit(self._limits.deadline) as exchange:
            try:
                self._converse(request, exchange, answer)
            except Exception as problem:  # noqa: BLE001 - whatever happens, a request has a result
                failure, error = explain(problem, has_answered=answer.status_code is not None)
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
        prepared = _Prepared(request, exchange)
        raw: Any = self._adapter.send(prepared).raw
        answer.status_code = raw.status
        answer.headers = _kept_headers(raw.headers)
        # Reading on to one byte more than is kept tells a body that ends at the limit from one that goes on.
        wanted = self._limits.response_limit + 1
        is_complete = False
        try:
            while wanted and (part := raw.read(wanted)):
                answer.body += part
                wanted -= len(part)
            if wanted and raw.length:
                raise IncompleteRead(answer.body, raw.length)
            answer.body = answer.body[: self._limits.response_limit]
            is_complete = wanted > 0
        finally:
            self._adapter.finish(prepared, raw, can_be_used_again=is_complete and not raw.will_close)


class _Prepared(requests.PreparedRequest):
    """A request that is ready as it stands, the exchange that it is sent in, and its connection once there is one."""

    connection: HTTPConnection

    def __init__(self, request: Request, exchange: Exchange) -> None:
        self.method = "POST"
        self.target = _parsed(request.url)
        self.headers: Any = {**request.headers, "Content-Length": str(len(request.body))}
        self.body = request.body
        self.exchange = exchange


class _LeanAdapter(HTTPAdapter):
    """requests' adapter without its pools: guarded connections, nothing from the environment, no redirects.

    The `raw` of what it gives back is the response of http.client, which is to be read, and then finished.
    """

    def __init__(self, connector: Connector) -> None:
        super().__init__()
        self._connector = connector

    def send(self, request: _Prepared, *_: Any, **__: Any) -> requests.Response:  # type: ignore[override]
        connection = request.connection = self._connector.connection(request.target, request.exchange)
        try:
            # Not urllib3's own methods, whose checks and wrappers cost more than the rest of a request.
            http.client.HTTPConnection.request(
                connection, "POST", request.target.request_uri, request.body, request.headers
            )
            raw: Any = http.client.HTTPConnection.getresponse(connection)
        except BaseException:
            connection.close()
            raise
        response = requests.Response()
        response.status_code = raw.status
        response.raw = raw
        return response

    def finish(self, request: _Prepared, raw: http.client.HTTPResponse, *, can_be_used_again: bool) -> None:
        """Keep the connection for the next request, or close it."""
        if can_be_used_again:
            self._connector.give_back(request.connection, request.target, request.exchange)
        else:
            raw.close()
            request.connection.close()


@lru_cache(maxsize=10_000)
def _parsed(url: str) -> Url:
    parsed = parse_url(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise LocationValueError("not an http or https URL")
    return parsed


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _kept_headers(headers: HTTPMessage) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in islice(headers.items(), _HEADERS_KEPT):
        key = name[:_HEADER_LENGTH_KEPT].lower()
        # A header that is repeated is a list (RFC 9110, section 5.3).
        kept[key] = (f"{kept[key]}, {value}" if key in kept else value)[:_HEADER_LENGTH_KEPT]
    return kept
