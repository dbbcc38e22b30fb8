"""A receiver that remembers when each request arrived, and what may be said about these times."""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.dispatch.receivers import Answer, Receiver, receiving


class Arrivals:
    def __init__(self, respond: Callable[[bytes], Answer]) -> None:
        self.times: list[float] = []
        self.bodies: list[bytes] = []
        self._respond = respond
        self._lock = threading.Lock()
        self.receiver: Receiver

    @property
    def url(self) -> str:
        return self.receiver.url

    def __len__(self) -> int:
        return len(self.times)

    def answer(self, body: bytes) -> Answer:
        with self._lock:
            self.times.append(time.monotonic())
            self.bodies.append(body)
        return self._respond(body)

    def most_in(self, seconds: float, *, after: float = 0.0) -> int:
        """Return how many arrived in the fullest window of so many seconds."""
        times = sorted(at for at in self.times if at >= after)
        return max((bisect_left(times, at + seconds) - place for place, at in enumerate(times)), default=0)

    def per_second(self, *, after: float = 0.0) -> float:
        times = sorted(at for at in self.times if at >= after)
        return (len(times) - 1) / (times[-1] - times[0])


@contextmanager
def arriving(respond: Callable[[bytes], Answer] = lambda body: Answer()) -> Iterator[Arrivals]:
    """Run such a receiver for a block."""
    arrivals = Arrivals(respond)
    with receiving(respond=arrivals.answer) as receiver:
        arrivals.receiver = receiver
        yield arrivals
