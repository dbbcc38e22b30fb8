"""`manage.py receive`: a receiver on this machine, to try things out with."""

import argparse
import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dispatch import receiver
from dispatch.receiver_server import HOST, Misbehaviour, Received, ReceiverServer

_SECRET_VARIABLE = "RECEIVER_SECRET"  # noqa: S105
_Number = TypeVar("_Number", int, float)


class Command(BaseCommand):
    help = (
        "Receive webhooks on this machine, check each one as a receiver should, and show it. "
        "Needs no database. Ends with Ctrl-C."
    )
    # It uses no model and no URL of the project, and should start at once.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=_between(0, 65535, int), default=9000, help="Port on 127.0.0.1; 0 takes a free one."
        )
        parser.add_argument(
            "--secret",
            help=f"The endpoint's signing secret. Better in the environment, as {_SECRET_VARIABLE}: "
            "the command line can be seen in the process list.",
        )
        parser.add_argument(
            "--scheme", choices=[str(scheme) for scheme in receiver.Scheme], default=str(receiver.Scheme.STANDARD)
        )
        parser.add_argument("--log", type=Path, metavar="FILE", help="Append one line of JSON per request to FILE.")
        badly = parser.add_argument_group("to misbehave")
        badly.add_argument(
            "--fail-first",
            type=_between(0, 1_000_000, int),
            default=0,
            metavar="N",
            help="Answer 503 to the first N requests.",
        )
        badly.add_argument(
            "--status", type=_between(200, 599, int), metavar="CODE", help="Always answer this status, 200 to 599."
        )
        badly.add_argument(
            "--delay", type=_between(0.0, 3600.0, float), default=0, metavar="SECONDS", help="Wait before each answer."
        )
        badly.add_argument("--hang", action="store_true", help="Never answer.")

    def handle(
        self,
        *,
        port: int,
        secret: str | None,
        scheme: str,
        log: Path | None,
        fail_first: int,
        status: int | None,
        delay: float,
        hang: bool,
        **_: Any,
    ) -> None:
        checked_scheme = receiver.Scheme(scheme)
        key = _key(checked_scheme, secret)
        misbehaviour = Misbehaviour(fail_first=fail_first, status=status, delay=delay, hang=hang)
        with contextlib.ExitStack() as stack:
            journal = _Journal(self, stack.enter_context(_opened(log)) if log else None)
            server = stack.enter_context(
                _listening(port, scheme=checked_scheme, key=key, misbehaviour=misbehaviour, report=journal.write)
            )
            journal.say(f"Listening on http://{HOST}:{server.server_port}/")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                # The terminal shows ^C: end its line.
                journal.say("")


class _Journal:
    """Where requests are told of: a line on the terminal and, if wanted, a line of JSON in a file."""

    def __init__(self, command: BaseCommand, log: TextIO | None) -> None:
        self._command, self._log = command, log
        self._lock = threading.Lock()

    def write(self, received: Received) -> None:
        with self._lock:
            if self._log:
                self._log.write(_log_line(received))
                self._log.flush()
            self.say(self._terminal_line(received))

    def say(self, line: str) -> None:
        """Print a line at once."""
        # Whoever started the receiver may have stopped reading what it prints. It receives all the same.
        with contextlib.suppress(BrokenPipeError):
            self._command.stdout.write(line)
            self._command.stdout.flush()

    def _terminal_line(self, received: Received) -> str:
        answer = received.answer
        well = answer.status is not None and answer.status < 300
        paint = self._command.style.SUCCESS if well else self._command.style.ERROR
        columns = (
            f"{received.time.astimezone():%H:%M:%S}",
            f"{_printable(received.message_id):30}",
            f"{_printable(answer.event_type):20}",
            paint(f"{answer.status or '-':3}"),
            _printable(answer.reason),
        )
        return "  ".join(columns)


def _log_line(received: Received) -> str:
    answer = received.answer
    line = {
        "time": received.time.isoformat(),
        "id": received.message_id,
        "path": received.path,
        "status": answer.status,
        "reason": answer.reason,
        "verified": answer.verified,
        "duplicate": answer.duplicate,
    }
    return json.dumps(line) + "\n"


def _printable(text: object) -> str:
    # A stranger may put anything into a header, such as codes that rewrite the terminal.
    return str(text).encode("unicode_escape").decode()[:60] if text else "-"


def _key(scheme: receiver.Scheme, secret: str | None) -> bytes:
    text = secret or os.environ.get(_SECRET_VARIABLE)
    if not text:
        raise CommandError(f"Give the endpoint's signing secret in {_SECRET_VARIABLE} or with --secret.")
    try:
        return receiver.key_of(scheme, text)
    except ValueError as error:
        raise CommandError(f"The signing secret does not fit the scheme {scheme}: {error}.") from error


def _opened(log: Path) -> TextIO:
    try:
        return log.open("a", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"The log file {log} cannot be written: {error.strerror}.") from error


def _listening(port: int, **options: Any) -> ReceiverServer:
    try:
        return ReceiverServer(port, **options)
    except OSError as error:
        raise CommandError(
            f"Port {port} cannot be used: {error.strerror}. Choose another with --port, or any free one with --port 0."
        ) from error


def _between(least: _Number, most: _Number, read: Callable[[str], _Number]) -> Callable[[str], _Number]:
    def checked(text: str) -> _Number:
        with contextlib.suppress(ValueError):
            if least <= (number := read(text)) <= most:
                return number
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")

    return checked
