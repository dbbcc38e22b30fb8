"""Names are looked up in time, or not at all."""

import contextlib
import socket
import threading
from typing import Any

import pytest

from dispatch.states import Outcome
from dispatch.transport import Request
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.receivers import receiving
from tests.dispatch.sending import (
    collect,
    send,
    transporting,
)
from tests.dispatch.transport.names import hanging_names
from tests.waiting import wait_for


class TestNames:
    def test_the_deadline_counts_from_before_the_name_is_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        look_up = socket.getaddrinfo

        def getaddrinfo(*args: Any, **options: Any) -> list[Any]:
            never.wait(0.6)
            return look_up(*args, **options)

        never = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with receiving_raw(Conversation.hold) as receiver, transporting(deadline=0.8) as transport:
            result = send(transport, receiver.url)

        assert (result.failure, receiver.connections) == (Outcome.TIMEOUT, 1)
        assert 0.8 <= result.duration < 1.3

    @pytest.mark.parametrize(
        ("limits", "error"),
        [
            ({"dns_timeout": 0.2}, "The host name was not resolved in time."),
            ({"deadline": 0.2}, "There was no complete answer within 0.2 seconds."),
        ],
    )
    def test_a_resolver_that_does_not_answer_is_a_time_out(
        self, limits: dict[str, float], error: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with hanging_names(monkeypatch, {"receiver.example"}), transporting(**limits) as transport:
            result = send(transport, "http://receiver.example/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.error) == (Outcome.TIMEOUT, error)
        assert result.duration < 0.7

    def test_names_that_hang_keep_nobody_else_from_being_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = {f"r{number}.example" for number in range(40)}
        with contextlib.ExitStack() as stack:
            hanging = stack.enter_context(hanging_names(monkeypatch, names))
            receiver = stack.enter_context(receiving())
            transport = stack.enter_context(transporting(concurrency=41))
            for name in names:
                transport.submit(Request(name, f"http://{name}/", {}, b""))
            wait_for(lambda: len(hanging) == 40)
            result = send(transport, receiver.url)
            assert (result.key, result.status_code) == ("key", 200)
            hanging.release.set()
            assert {each.failure for each in collect(transport.poll, 40)} == {Outcome.DNS_ERROR}
