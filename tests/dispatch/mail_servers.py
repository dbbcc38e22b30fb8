"""Real mail servers on loopback: one that takes mails, and one that says nothing."""

import contextlib
import socket
from collections.abc import Iterator
from email.message import EmailMessage as Parsed
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller


class MailServer:
    """Remembers what it was given. `answers` are its first answers to mails, in turn; then it takes all."""

    def __init__(self, *answers: str) -> None:
        self.mails: list[Parsed] = []
        self._answers = list(answers)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self._answers:
            return self._answers.pop(0)
        self.mails.append(BytesParser(policy=default).parsebytes(envelope.content))
        return "250 OK"

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()


@contextlib.contextmanager
def mail_server(*answers: str) -> Iterator[MailServer]:
    """Run a mail server for a block."""
    server = MailServer(*answers)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def silent_mail_server() -> Iterator[int]:
    """Take connections on a port for a block, and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
