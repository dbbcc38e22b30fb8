"""The transport over requests.

Threads send with a lean `HTTPAdapter`: guarded connections, one shared TLS context, nothing from the
environment (no proxies, no netrc), no redirects, a capped response and a hard deadline.
"""

import contextlib
import logging
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from dispatch.access import Access
from dispatch.access_tokens import AccessToken, AccessTokens, NoToken, read_token, token_request
from dispatch.addresses import AddressPolicy
from dispatch.answers import Answer, read_answer
from dispatch.connections import Connector, Target, target_of
from dispatch.deadlines import Exchange, Watchdog
from dispatch.egress_proxy import EgressProxy
from dispatch.failures import explain
from dispatch.idle_connections import IdleConnections
from dispatch.states import Outcome
from dispatch.tls_contexts import TlsContexts
from dispatch.transport import Request, Result, Timings
from subscriptions.credentials import OAuth2
from subscriptions.endpoint_urls import shortened

# Requests under way from which results come so close together that several are waited for, and for how long.
_MANY = 16
_GATHERING = 0.003
# Bytes that are read of a token endpoint's answer.
_TOKEN_ANSWER = 64 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a transport allows itself and receivers. Times are seconds, sizes are bytes."""

    concurrency: int
    deadline: float
    connect_timeout: float
    response_limit: int
    idle_connections: int
    idle_seconds: float
    ca_file: Path | None = None
    dns_timeout: float = 5.0
    policy: AddressPolicy = field(default_factory=AddressPolicy)
    proxy: EgressProxy | None = None
    proxy_resolves: bool = False
    token_lifetime: float = 300.0


class RequestsTransport:
    """A `Transport` of `limits.concurrency` threads.

    `tls` replaces the TLS context of requests without TLS settings of their own, which trusts certifi's authorities
    and those of `limits.ca_file`.
    """

    def __init__(self, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits
        self._idle = IdleConnections(limits.idle_connections, seconds=limits.idle_seconds)
        self._connector = Connector(
            TlsContexts(limits.ca_file, common=tls),
            timeout=limits.connect_timeout,
            dns_timeout=limits.dns_timeout,
            policy=limits.policy,
            idle=self._idle,
            proxy=limits.proxy,
            proxy_resolves=limits.proxy_resolves,
        )
        self._watchdog = Watchdog(limits.deadline, tidy=self._idle.close_old)
        self._adapter = _LeanAdapter(self._connector, response_limit=limits.response_limit)
        self._token_adapter = _LeanAdapter(self._connector, response_limit=_TOKEN_ANSWER)
        self._tokens = AccessTokens(self._fetch_token)
        self._under_way = 0
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
        self._under_way += 1
        self._requests.put(request)

    def poll(self, timeout: float) -> list[Result]:
        """Wait up to `timeout` seconds for a result, and return it with all others that are there."""
        results: list[Result] = []
        with contextlib.suppress(queue.Empty):
            results.append(self._results.get(timeout=timeout))
            if self._under_way >= _MANY:
                # More is about to come, and waking up for each costs more than all of this waiting.
                time.sleep(_GATHERING)
            while True:
                results.append(self._results.get_nowait())
        self._under_way -= len(results)
        return results

    def close(self) -> None:
        """Let the threads finish what is submitted, then close the connections."""
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join()
        self._watchdog.close()
        self._connector.close()
        self._idle.close()

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            self._results.put(self._send(request))

    def _send(self, request: Request) -> Result:
        started_at, started = datetime.now(UTC), time.monotonic()
        answer, failure, error = Answer(), None, ""
        access, token = request.access, None
        exchange = self._watchdog.begin(request.timeout)
        try:
            if access is not None and access.client is not None:
                token = self._tokens.get(access.client, timeout=exchange.remaining)
                request = request._replace(headers={**request.headers, "Authorization": f"Bearer {token.text}"})
            self._adapter.send(_Prepared(request, exchange, answer))
        except NoToken as problem:
            failure, error = Outcome.CREDENTIALS_FAILED, f"No access token. {problem}"
        except Exception as problem:  # noqa: BLE001 - whatever happens, a request has a result
            failure, error = explain(problem, has_answered=answer.status_code is not None)
        self._watchdog.end(exchange)
        # A socket that was shut under an answer without a length looks like its regular end.
        is_late = exchange.expired or (failure is not None and not exchange.remaining)
        if is_late and failure is not Outcome.CREDENTIALS_FAILED:
            failure, error = _too_late(failure, exchange)
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
            secrets=_secrets(access, token),
            is_token_worn_out=self._is_worn_out(access, token, answer),
            timings=_timings(exchange, answer),
        )

    def _is_worn_out(self, access: Access | None, token: AccessToken | None, answer: Answer) -> bool:
        """Say whether the receiver refused a token that it, or another receiver, took before. It is not used again."""
        if access is None or access.client is None or token is None or answer.status_code is None:
            return False
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            return self._tokens.refuse(access.client, token)
        token.was_taken = True
        return False

    def _fetch_token(self, client: OAuth2) -> AccessToken:
        """Ask a token endpoint, as receivers are asked: by the same door, within the same deadline."""
        headers, body = token_request(client)
        answer, exchange = Answer(), self._watchdog.begin()
        where = shortened(client.token_url)
        try:
            self._token_adapter.send(_Prepared(Request(None, client.token_url, headers, body), exchange, answer))
        except Exception as problem:  # noqa: BLE001 - whatever happens, there is an answer or a reason
            error = explain(problem, has_answered=answer.status_code is not None)[1]
            if not exchange.remaining:
                error = f"There was no complete answer within {self._limits.deadline:g} seconds."
            log.info("No access token from %s: %s", where, error)
            raise NoToken(f"The token endpoint was not reached. {error}") from None
        finally:
            self._watchdog.end(exchange)
        token = read_token(
            answer.status_code or 0,
            answer.body,
            now=time.monotonic(),
            default_lifetime=self._limits.token_lifetime,
        )
        log.debug("A new access token from %s.", where)
        return token


def _too_late(failure: Outcome | None, exchange: Exchange) -> tuple[Outcome, str]:
    if failure is Outcome.PROXY_ERROR:
        # The receiver was not even asked for.
        return failure, "The egress proxy did not answer in time."
    return Outcome.TIMEOUT, f"There was no complete answer within {exchange.seconds:g} seconds."


def _secrets(access: Access | None, token: AccessToken | None) -> tuple[str, ...]:
    if access is None:
        return ()
    return access.secrets if token is None else (*access.secrets, token.text)


def _timings(exchange: Exchange, answer: Answer) -> Timings:
    sent_at, began_at = exchange.sent_at, answer.began_at
    waited = began_at - sent_at if sent_at is not None and began_at is not None else None
    return Timings(exchange.dns, exchange.connect, exchange.tls, waited)


class _Prepared(requests.PreparedRequest):
    """A request that is ready as it stands, the exchange that it is sent in, and what becomes known of its answer."""

    def __init__(self, request: Request, exchange: Exchange, answer: Answer) -> None:
        self.method = "POST"
        self.url: str = request.url
        self.headers: Any = request.headers
        self.body: bytes = request.body
        self.tls = request.tls
        self.exchange = exchange
        self.answer = answer


class _Response(requests.Response):
    """A response that is ready as it stands."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status_code or 0
        self.headers: Any = answer.headers
        self._content = answer.body


class _LeanAdapter(HTTPAdapter):
    """requests' adapter without its pools: guarded connections, nothing from the environment, no redirects."""

    def __init__(self, connector: Connector, *, response_limit: int) -> None:
        super().__init__()
        self._connector = connector
        self._response_limit = response_limit

    def send(self, request: _Prepared, *_: Any, **__: Any) -> requests.Response:  # type: ignore[override]
        target = target_of(request.url)
        sent = _head(target, request.headers, len(request.body)) + request.body
        connection = self._connector.connection(target, request.exchange, request.tls)
        can_be_used_again = False
        try:
            connection.sock.sendall(sent)
            request.exchange.sent_at = time.monotonic()
            can_be_used_again = read_answer(connection.sock, request.answer, limit=self._response_limit)
        finally:
            if can_be_used_again:
                self._connector.give_back(connection, request.exchange)
            else:
                self._connector.discard(connection, request.exchange)
        return _Response(request.answer)


def _head(target: Target, headers: Mapping[str, str], length: int) -> bytes:
    """Write the head of a request. Raises `ValueError` where a header would be more than one line."""
    lines = [f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join((*lines, f"Content-Length: {length}\r\n\r\n"))
    # So many lines were meant: one after each of them, the one after the path, and two at the end.
    if head.count("\n") != len(lines) + 3 or head.count("\r") != len(lines) + 3 or "\0" in head:
        raise ValueError("a header must be one line")
    return head.encode("latin-1")
