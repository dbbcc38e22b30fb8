"""A receiver on a real socket that answers as it is told, and remembers what it was sent."""

import contextlib
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"status": "success"}'
    # Answers only once this is set, or never.
    after: threading.Event | None = None
    # Answers after so many seconds.
    delay: float = 0.0


class Receiver:
    """`script` are its first answers, in turn; after them, and without any, `respond` says what it answers: 200."""

    def __init__(
        self,
        *script: Answer,
        tls: ssl.SSLContext | None = None,
        respond: Callable[[bytes], Answer] = lambda body: Answer(),
    ) -> None:
        self.received: list[Received] = []
        # Requests that are not answered yet, and how many there ever were at a time.
        self.under_way = self.most_under_way = 0
        self._script = list(script)
        self._respond = respond
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}/hooks"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver._lock:
                    receiver.received.append(Received(self.path, dict(self.headers), body))
                    receiver.under_way += 1
                    receiver.most_under_way = max(receiver.most_under_way, receiver.under_way)
                    answer = receiver._script.pop(0) if receiver._script else receiver._respond(body)
                if answer.after is not None:
                    answer.after.wait(60)
                time.sleep(answer.delay)
                with receiver._lock:
                    receiver.under_way -= 1
                with contextlib.suppress(OSError):
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                    self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextlib.contextmanager
def receiving(*script: Answer, **options: Any) -> Iterator[Receiver]:
    """Run a receiver for a block."""
    receiver = Receiver(*script, **options)
    try:
        yield receiver
    finally:
        receiver.close()
