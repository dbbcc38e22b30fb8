"""The process that calls an HTTP server as fast as it answers, on connections that are kept.

    python -m bench.http_load HOST PORT --requests FILE --seconds N --connections N

The file is a JSON list of `[path, headers, body]`, which are sent in turn. The last line that it prints is JSON:
`statuses` (how many answers by status code), `seconds`, and `milliseconds` (of every answer).
"""

import argparse
import asyncio
import itertools
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

_HEAD = re.compile(rb"HTTP/1.1 (\d+)[^\0]*?\r\ncontent-length: *(\d+)[^\0]*?\r\n\r\n", re.IGNORECASE)


class Caller(asyncio.Protocol):
    """One connection. It sends the next request when the last one is answered, until `ends_at`."""

    # Of all connections together.
    statuses: ClassVar[Counter[int]] = Counter()
    milliseconds: ClassVar[list[float]] = []

    def __init__(self, requests: Iterator[bytes], ends_at: float) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._ends_at = ends_at
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = _HEAD.match(self._buffer)
        if head is None or len(self._buffer) < head.end() + int(head[2]):
            return
        self._buffer = self._buffer[head.end() + int(head[2]) :]
        self.statuses[int(head[1])] += 1
        self.milliseconds.append((time.perf_counter() - self._sent_at) * 1000)
        if time.time() < self._ends_at:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, problem: Exception | None) -> None:
        self.closed.set_result(None)

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))


def raw_request(host: str, path: str, headers: dict[str, str], body: str) -> bytes:
    """Write a POST request."""
    content = body.encode()
    lines = {"Host": host, "Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content


async def _call(arguments: argparse.Namespace) -> dict[str, Any]:
    requests = itertools.cycle(
        [raw_request(arguments.host, *request) for request in json.loads(arguments.requests.read_text())]
    )
    loop = asyncio.get_running_loop()
    begun_at = time.time()
    callers = [
        (
            await loop.create_connection(
                lambda: Caller(requests, begun_at + arguments.seconds), arguments.host, arguments.port
            )
        )[1]
        for _ in range(arguments.connections)
    ]
    await asyncio.gather(*(caller.closed for caller in callers))
    return {
        "statuses": Caller.statuses,
        "seconds": time.time() - begun_at,
        "milliseconds": [round(each, 2) for each in Caller.milliseconds],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    print(json.dumps(asyncio.run(_call(parser.parse_args()))))


if __name__ == "__main__":
    sys.exit(main())
