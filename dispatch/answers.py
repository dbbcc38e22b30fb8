"""Reading a receiver's answer from its connection, as much of it as is kept.

Nearly all answers come in one piece and state their length: those are read here, in one go. All others are
left to http.client, with what was received of them.
"""

import io
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from itertools import islice
from typing import Any

_PIECE = 65536
_HEADERS_KEPT = 50
_HEADER_LENGTH_KEPT = 1000
_LINES_LENGTH = 256 * 1024
_INTERIM_ANSWERS = 10
# They never have a body, whatever length they state (RFC 9112, section 6.3).
_WITHOUT_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}

# HTTP/1.1, a final status, and lines as they should be (RFC 9112, sections 4 and 5).
_PLAIN_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*\r\n)*)"
    rb"\r\n"
)


@dataclass(slots=True)
class Answer:
    """What is known of a receiver's answer so far. Header names are in lower case."""

    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    # On the monotonic clock. Says nothing about the answer itself.
    began_at: float | None = field(default=None, compare=False)


def read_answer(connected: socket.socket, answer: Answer, *, limit: int) -> bool:
    """Read the answer to a POST into `answer`, its body up to `limit` bytes.

    Return whether the connection can be used again: the answer is complete and did not say otherwise.
    Raises `OSError` or `http.client.HTTPException`; `answer` then has what was read before.
    """
    received = connected.recv(_PIECE)
    answer.began_at = time.monotonic()
    if not received:
        raise RemoteDisconnected("there was no answer")
    keeps = _read_plain(received, answer, limit)
    return _read_any(received, connected, answer, limit) if keeps is None else keeps


def _read_plain(received: bytes, answer: Answer, limit: int) -> bool | None:
    """Read an answer that came in one piece and is plain, or return None."""
    head = _PLAIN_HEAD.match(received)
    if head is None:
        return None
    lines = [line.partition(":") for line in head[2].decode("latin-1").split("\r\n")[:-1]]
    headers = _kept((name, value) for name, _, value in lines)
    status, size = int(head[1]), len(received) - head.end()
    # A length that is repeated is a list by now, and no number.
    length = headers.get("content-length", "0" if status in _WITHOUT_BODY else "")
    if "transfer-encoding" in headers or len(lines) > _HEADERS_KEPT or size > limit or length != str(size):
        return None
    if size and status in _WITHOUT_BODY:
        return None
    answer.status_code = status
    answer.headers = headers
    answer.body = received[head.end() :]
    return not _says_close(headers)


def _read_any(received: bytes, connected: socket.socket, answer: Answer, limit: int) -> bool:
    # http.client asks its socket for nothing but a file.
    stream: Any = _Stream(received, connected)
    response: Any = _Response(stream, method="POST")
    with response:
        response.begin()
        answer.status_code = response.status
        answer.headers = _kept(response.headers.items())
        # Reading on to one byte more than is kept tells a body that ends at the limit from one that goes on.
        wanted = limit + 1
        while wanted and (part := response.read(wanted)):
            answer.body += part
            wanted -= len(part)
        if wanted and response.length:
            raise IncompleteRead(answer.body, response.length)
        answer.body = answer.body[:limit]
        return wanted > 0 and not response.will_close and not _says_close(answer.headers)


def _says_close(headers: Mapping[str, str]) -> bool:
    connection = headers.get("connection")
    return connection is not None and "close" in connection.lower()


def _kept(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in islice(headers, _HEADERS_KEPT):
        key = name[:_HEADER_LENGTH_KEPT].lower()
        text = value.strip(" \t")
        # A header that is repeated is a list (RFC 9110, section 5.3).
        kept[key] = (f"{kept[key]}, {text}" if key in kept else text)[:_HEADER_LENGTH_KEPT]
    return kept


class _Stream(io.RawIOBase):
    """What was received and what is still to come, as one file."""

    def __init__(self, received: bytes, connected: socket.socket) -> None:
        self._received = received
        self._connected = connected

    def makefile(self, _mode: str) -> "_Lines":
        return _Lines(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._received:
            return self._connected.recv_into(buffer)
        count = min(len(buffer), len(self._received))
        buffer[:count] = self._received[:count]
        self._received = self._received[count:]
        return count


class _Lines(io.BufferedReader):
    """A response's file, with an end to its lines: statuses, headers, sizes of chunks, trailers.

    http.client reads as many interim answers and trailers as it is sent, takes headers that break off for all
    there are, and reads a chunk of -1 bytes as everything that will ever come.
    """

    in_head = True
    _left = _LINES_LENGTH

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise HTTPException("there is a chunk of less than nothing")
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        has_broken_off = len(line) != size and not line.endswith(b"\n")
        if self.in_head and has_broken_off and (line or self._left < _LINES_LENGTH):
            raise IncompleteRead(line)
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException("there is too much beside the body")
        return line


class _Response(HTTPResponse):
    fp: _Lines

    def begin(self) -> None:
        lines = self.fp
        super().begin()
        # http.client passes over 100 only. These are followed by the answer too (RFC 9110, section 15.2).
        for _ in range(_INTERIM_ANSWERS):
            if 102 <= self.status < 200:
                self.headers = None  # type: ignore[assignment] # so that it begins once more
                super().begin()
        lines.in_head = False
        if len(set(self.headers.get_all("content-length", ()))) > 1:
            raise HTTPException("there are two lengths")
        # After a change of protocols (101), which nobody asked for, there is no next answer. A body that must not
        # be there may still come, and would be taken for the beginning of the next.
        has_wrong_body = self.status in _WITHOUT_BODY and self.headers.get("content-length", "0") != "0"
        self.will_close = self.will_close or self.status < 200 or has_wrong_body
