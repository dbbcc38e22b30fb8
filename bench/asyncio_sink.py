"""The receiver of the bench in Python: for TLS, and where there is no C compiler. Its paths are those of sink.c.

    python asyncio_sink.py [--certificate FILE] FD...

It imports nothing of the project, so that it starts at once.
"""

import argparse
import asyncio
import contextlib
import re
import resource
import socket
import ssl
import sys

_HEADERS = (
    b"HTTP/1.1 200 OK\r\nServer: sink\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: 11\r\n"
)
_KEPT = _HEADERS + b'\r\n{"ok":true}'
_CLOSED = _HEADERS + b'Connection: close\r\n\r\n{"ok":true}'
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Sink(asyncio.Protocol):
    """One connection."""

    answered = accepted = 0

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Sink.accepted += 1
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head_end := self._buffer.find(b"\r\n\r\n") + 4) > 3:
            length = _LENGTH.search(self._buffer, 0, head_end)
            whole = head_end + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            path = self._buffer[: self._buffer.index(b"\r\n")].split(b" ", 2)[1]
            self._buffer = self._buffer[whole:]
            self._handle(path.split(b"/"))

    def _handle(self, words: list[bytes]) -> None:
        match words:
            case [_, b"now", *_]:
                self._answer()
            case [_, b"in", milliseconds, *_]:
                asyncio.get_running_loop().call_later(int(milliseconds) / 1000, self._answer)
            case [_, b"never", *_]:
                pass
            case [_, b"close", *_]:
                self._answer(_CLOSED)
                self._transport.close()
            case [_, b"counts"]:
                text = f"{Sink.answered} {Sink.accepted}".encode()
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
            case _:
                self._transport.close()

    def _answer(self, text: bytes = _KEPT) -> None:
        if not self._transport.is_closing():
            Sink.answered += 1
            self._transport.write(text)


async def _serve(fds: list[int], tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    for fd in fds:
        await loop.create_server(Sink, sock=socket.socket(fileno=fd), ssl=tls)
    await asyncio.Event().wait()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", help="A file with a certificate and its key: speak TLS.")
    parser.add_argument("fds", type=int, nargs="+")
    arguments = parser.parse_args()
    tls = None
    if arguments.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.certificate)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.fds, tls))


if __name__ == "__main__":
    sys.exit(_main())
