"""The HTTP side of the demo receiver: a server on loopback that checks requests, or misbehaves as told."""

import itertools
import json
import re
import socketserver
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dispatch import receiver

HOST = "127.0.0.1"
BODY_LIMIT = 1024 * 1024
_DISCARD_LIMIT = 16 * BODY_LIMIT
_CHUNK = 64 * 1024
_IDLE_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """How the receiver departs from a good one. Times are seconds."""

    fail_first: int = 0
    status: int | None = None
    delay: float = 0
    hang: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out about a request, and what it is answered. A `status` of None: nothing."""

    status: int | None
    reason: str
    verified: bool = False
    duplicate: bool = False
    event_type: str | None = None
    challenge: str | None = None

    @property
    def body(self) -> bytes:
        if self.status is None or self.status >= HTTPStatus.MULTIPLE_CHOICES:
            return json.dumps({"status": "error", "reason": self.reason}).encode()
        if self.challenge is not None:
            return json.dumps({"challenge": self.challenge}).encode()
        return json.dumps({"status": "duplicate" if self.duplicate else "success"}).encode()


@dataclass(frozen=True, slots=True)
class Received:
    """One request and its answer, for the log."""

    time: datetime
    message_id: str | None
    path: str
    answer: Answer


class ReceiverServer(ThreadingHTTPServer):
    """A receiver on `port` of loopback, 0 for a free one. Tells `report` about each request before it answers.

    Raises `OSError` if the port cannot be used.
    """

    request_queue_size = 128

    def __init__(
        self,
        port: int,
        *,
        scheme: receiver.Scheme,
        key: bytes,
        misbehaviour: Misbehaviour,
        report: Callable[[Received], None],
    ) -> None:
        self._scheme, self._key, self._misbehaviour = scheme, key, misbehaviour
        self._numbers = itertools.count(1)
        self._accepted = receiver.AcceptedIds()
        self.report = report
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        # The parent class looks up the host's full name, which may take seconds and is not needed.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A sender that leaves before the answer is its own affair, not a traceback.
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def answer(self, method: str, headers: dict[str, str], body: bytes) -> Answer:
        """Decide how a request is answered. The names of `headers` are in lower case."""
        now, wanted = time.time(), self._misbehaviour
        if (number := next(self._numbers)) <= wanted.fail_first:
            reason = f"Request {number} of {wanted.fail_first} that fail (--fail-first)."
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, reason)
        time.sleep(wanted.delay)
        if wanted.hang:
            return Answer(None, "Never answered (--hang).")
        return self._check(method, headers, body, now)

    def _check(self, method: str, headers: dict[str, str], body: bytes, now: float) -> Answer:
        verified = False
        try:
            receiver.check_method(method)
            receiver.verify(self._scheme, self._key, headers, body, now=now)
            verified = True
            payload = receiver.parse(body)
        except receiver.Rejected as rejected:
            return Answer(self._misbehaviour.status or rejected.status, str(rejected), verified)
        event_type = str(payload["type"]) if isinstance(payload, dict) and "type" in payload else None
        status = self._misbehaviour.status or HTTPStatus.OK
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            # Not accepted, so not remembered: the next attempt is no repetition.
            return Answer(status, f"Always {status} (--status).", verified, event_type=event_type)
        if (challenge := receiver.challenge_in(payload)) is not None:
            return Answer(status, "challenge answered", verified, event_type=event_type, challenge=challenge)
        message_id = headers.get("webhook-id")
        duplicate = message_id is not None and not self._accepted.add(message_id)
        return Answer(status, "duplicate" if duplicate else "success", verified, duplicate, event_type)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Buffered, so that the head and the body of an answer leave in one piece; flushed after each request.
    wbufsize = _CHUNK
    timeout = _IDLE_TIMEOUT
    server: ReceiverServer
    path = ""

    def _receive(self) -> None:
        started = datetime.now(UTC)
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = self._read_body(headers)
        except receiver.Rejected as rejected:
            self.close_connection = True
            answer = Answer(rejected.status, str(rejected))
        else:
            answer = self.server.answer(self.command, headers, body)
        self.server.report(Received(started, headers.get("webhook-id"), self.path, answer))
        if answer.status is None:
            self._wait_until_sender_leaves()
        else:
            self._send(answer.status, answer)

    do_CONNECT = do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = do_TRACE = _receive  # noqa: N815

    def _read_body(self, headers: dict[str, str]) -> bytes:
        """Read the body. Raises `receiver.Rejected`, after which the connection is of no more use."""
        if "transfer-encoding" in headers:
            raise receiver.Rejected("Send the body with a Content-Length.", status=HTTPStatus.LENGTH_REQUIRED)
        text = headers.get("content-length", "0")
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise receiver.Rejected("Content-Length is not a number.")
        length = int(text)
        if length > BODY_LIMIT:
            self._discard(length)
            reason = f"The body is {length} bytes, more than {BODY_LIMIT}."
            raise receiver.Rejected(reason, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(length)
        if len(body) < length:
            raise receiver.Rejected(f"The body ended after {len(body)} of {length} bytes.")
        return body

    def _discard(self, length: int) -> None:
        # Closing with bytes unread resets the connection, and the sender would not see the answer.
        left = min(length, _DISCARD_LIMIT)
        while left and (chunk := self.rfile.read(min(left, _CHUNK))):
            left -= len(chunk)

    def _wait_until_sender_leaves(self) -> None:
        self.close_connection = True
        self.connection.settimeout(None)
        while self.connection.recv(_CHUNK):
            pass

    def _send(self, status: int, answer: Answer) -> None:
        self.send_response(status)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "POST")
        if self.close_connection:
            self.send_header("Connection", "close")
        without_body = status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        if not without_body:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not without_body and self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server could not read as a request, in the form of every other answer."""
        self.close_connection = True
        answer = Answer(code, message or HTTPStatus(code).phrase)
        self.server.report(Received(datetime.now(UTC), None, self.path, answer))
        self._send(code, answer)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Tell a sender that asks first to send its body, at once."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep http.server's own lines off the terminal: `report` has said it."""
