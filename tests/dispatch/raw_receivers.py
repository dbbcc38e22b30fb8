"""Receivers that speak bytes: they see what is really sent, and behave as no HTTP server would."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

_A_MOMENT = 0.02


class Conversation:
    """One connection, from the receiver's side. Everything ends when either side closes."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self._connection = connection
        self._closing = closing

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands."""
        self._connection = context.wrap_socket(self._connection, server_side=True)

    def peer_name(self) -> str:
        """Say whom the client's certificate names."""
        assert isinstance(self._connection, ssl.SSLSocket)
        found = self._connection.getpeercert() or {}
        return next(str(name) for kind, name in found["subjectAltName"] if kind == "DNS")

    def read_request(self) -> bytes:
        """Read one request as it comes, or nothing if the sender closes."""
        request = b""
        while b"\r\n\r\n" not in request or len(request) < _length(request):
            part = self._connection.recv(65536)
            if not part:
                return b""
            request += part
        return request

    def read(self, length: int) -> bytes:
        """Read so many bytes."""
        found = b""
        while len(found) < length:
            part = self._connection.recv(length - len(found))
            if not part:
                raise ConnectionError
            found += part
        return found

    def relay(self, onward: socket.socket) -> None:
        """Carry what either side says to the other, until one of them closes."""
        ends = {self._connection: onward, onward: self._connection}
        while True:
            waits = isinstance(self._connection, ssl.SSLSocket) and self._connection.pending()
            for source in [self._connection] if waits else select.select(list(ends), [], [])[0]:
                part = source.recv(65536)
                if not part:
                    return
                ends[source].sendall(part)

    def send(self, *parts: bytes) -> None:
        """Send bytes."""
        self._connection.sendall(b"".join(parts))

    def drip(self, part: bytes) -> None:
        """Send `part` again and again, with a moment between."""
        while not self._closing.wait(_A_MOMENT):
            self.send(part)

    def flood(self, part: bytes) -> None:
        """Send `part` again and again, as fast as it is taken."""
        while not self._closing.is_set():
            self.send(part)

    def hold(self) -> None:
        """Keep the connection open and say nothing more."""
        self._closing.wait()

    def wait_for_end(self) -> None:
        """Return when the sender has closed."""
        while self._connection.recv(65536):
            pass

    def reset(self) -> None:
        """Close the connection without a good-bye."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def abort(self) -> None:
        """End whatever waits for the connection."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


class RawReceiver:
    """Listens on loopback and does `behave` with every connection, in a thread each."""

    def __init__(self, behave: Callable[[Conversation], None], *, family: socket.AddressFamily, host: str) -> None:
        self._behave = behave
        self._closing = threading.Event()
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/hooks"
        self.conversations: list[Conversation] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def connections(self) -> int:
        """How many there have been."""
        return len(self.conversations)

    def close(self) -> None:
        """End all conversations."""
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for conversation in self.conversations:
            conversation.abort()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                conversation = Conversation(self._listener.accept()[0], self._closing)
                self.conversations.append(conversation)
                thread = threading.Thread(target=self._converse, args=(conversation,))
                self._threads.append(thread)
                thread.start()

    def _converse(self, conversation: Conversation) -> None:
        with contextlib.suppress(OSError):
            self._behave(conversation)
        conversation.close()


@contextlib.contextmanager
def receiving_raw(
    behave: Callable[[Conversation], None], *, family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1"
) -> Iterator[RawReceiver]:
    """Run a receiver for a block."""
    receiver = RawReceiver(behave, family=family, host=host)
    try:
        yield receiver
    finally:
        receiver.close()


def _length(request: bytes) -> int:
    """Say how long the request is in all."""
    head, _, _ = request.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + 4 + int(value)
    return len(head) + 4
