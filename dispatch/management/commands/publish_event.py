"""`manage.py publish_event`: publish one event, or every line of a file."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dispatch.publish import Published, PublishRefused, publish_event
from subscriptions.management import database_errors

_STDIN = "-"
_LINES_SUFFIX = ".jsonl"
_FIELDS = {
    "type": str,
    "subscriber": str,
    "channels": list,
    "idempotency_key": str,
    "ordering_key": str,
    "deliver_after": str,
    "data": object,
}


class Command(BaseCommand):
    help = (
        "Publish an event to every endpoint that wants its type, and print its id and how many deliveries it makes. "
        "A .jsonl file publishes each of its lines, all or none: "
        '{"type": "invoice.paid", "data": {…}, "subscriber": "sub_…", "idempotency_key": "…"}, '
        "where only data is needed if TYPE is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "type", nargs="?", metavar="TYPE", help="Event type, such as invoice.paid. For a file: of lines without."
        )
        parser.add_argument("--subscriber", metavar="ID_OR_UID", help="Only its endpoints. Without: those of all.")
        parser.add_argument("--idempotency-key", metavar="KEY", help="Publishing again with it makes no second event.")
        parser.add_argument(
            "--deliver-after", metavar="TIME", help="Send nothing before, such as 2026-03-01T12:00:00Z."
        )
        parser.add_argument(
            "--channel",
            metavar="NAME",
            dest="channels",
            action="append",
            default=[],
            help="Only endpoints that named it, or no channel. May be given several times.",
        )
        parser.add_argument("--ordering-key", metavar="KEY", help="Ordered endpoints get events of one key in order.")
        payload = parser.add_mutually_exclusive_group()
        payload.add_argument("--data", metavar="JSON", help="The payload. Without, and without a file: {}.")
        payload.add_argument(
            "--file",
            metavar="F",
            help="A .json file with the payload, or a .jsonl file with an event on each line. "
            "- reads the standard input: a payload if TYPE is given, else lines.",
        )

    def handle(
        self,
        *,
        type: str | None,  # noqa: A002
        subscriber: str | None,
        idempotency_key: str | None,
        deliver_after: str | None,
        channels: list[str],
        ordering_key: str | None,
        data: str | None,
        file: str | None,
        **_: Any,
    ) -> None:
        given = _Given(subscriber, deliver_after, channels, ordering_key)
        if file is not None and (file.endswith(_LINES_SUFFIX) or (file == _STDIN and type is None)):
            if idempotency_key is not None:
                raise CommandError("An idempotency key belongs to one event: write it into each line of the file.")
            wanted = _events_of_lines(_read(file), _name(file), type, given)
        else:
            wanted = [_one_event(type, data, file, idempotency_key, given)]
        with database_errors.told_in_a_sentence():
            for line in _publish_all(wanted):
                self.stdout.write(line)


@dataclass(frozen=True, slots=True)
class _Given:
    """Options that hold for the event, or for every line that does not say otherwise."""

    subscriber: str | None
    deliver_after: str | None
    channels: list[str]
    ordering_key: str | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An event to publish. `where` says where it was read, and starts the message if it is refused."""

    where: str
    type: str
    data: Any
    subscriber: str | None
    idempotency_key: str | None
    deliver_after: datetime | None
    channels: list[str]
    ordering_key: str | None


def _one_event(
    event_type: str | None,
    data: str | None,
    file: str | None,
    idempotency_key: str | None,
    given: _Given,
) -> _Wanted:
    if event_type is None:
        raise CommandError("Name the event type: `publish_event TYPE`. Only the lines of a .jsonl file can name it.")
    where = "" if file is None else f"{_name(file)}: "
    text = (data if data is not None else "{}") if file is None else _read(file)
    payload = _parsed(text, where or "--data: ")
    moment = _time(given.deliver_after, "--deliver-after: ")
    return _Wanted(
        where, event_type, payload, given.subscriber, idempotency_key, moment, given.channels, given.ordering_key
    )


def _events_of_lines(text: str, name: str, event_type: str | None, given: _Given) -> list[_Wanted]:
    """Read every line before any is published, so that no transaction waits for a slow input."""
    wanted = []
    # Not splitlines(), which also splits at characters that JSON texts may contain, such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}: "
        fields = _checked_fields(_parsed(line, where), where)
        if (type_of_line := fields.get("type", event_type)) is None:
            raise CommandError(f"{where}There is no type. Write one into the line, or give TYPE for all lines.")
        wanted.append(
            _Wanted(
                where,
                type_of_line,
                fields["data"],
                fields.get("subscriber", given.subscriber),
                fields.get("idempotency_key"),
                _time(fields.get("deliver_after", given.deliver_after), where),
                fields.get("channels", given.channels),
                fields.get("ordering_key", given.ordering_key),
            )
        )
    if not wanted:
        raise CommandError(f"{name} has no lines, so nothing was published.")
    return wanted


def _checked_fields(line: Any, where: str) -> dict[str, Any]:
    if not isinstance(line, dict):
        raise CommandError(f'{where}A line is an object, such as {{"type": "invoice.paid", "data": {{}}}}.')
    if unknown := sorted(line.keys() - _FIELDS.keys()):
        raise CommandError(f"{where}Unknown field {unknown[0]!r}. A line has {', '.join(_FIELDS)}.")
    if "data" not in line:
        raise CommandError(f'{where}There is no "data".')
    for field, value in line.items():
        if not isinstance(value, _FIELDS[field]):
            kind = "list" if _FIELDS[field] is list else "text"
            raise CommandError(f'{where}"{field}" must be a {kind}.')
    return line


def _publish_all(wanted: list[_Wanted]) -> list[str]:
    """Publish all events or, if one is refused, none. Return a line about each."""
    with transaction.atomic():
        try:
            return [_line_about(_publish(event)) for event in _with_progress(wanted)]
        except KeyboardInterrupt as interrupted:
            raise CommandError("Interrupted. Nothing was published.") from interrupted


def _publish(event: _Wanted) -> Published:
    try:
        return publish_event(
            event.type,
            event.data,
            subscriber=event.subscriber,
            idempotency_key=event.idempotency_key,
            deliver_after=event.deliver_after,
            channels=event.channels,
            ordering_key=event.ordering_key,
        )
    except PublishRefused as refused:
        raise CommandError(f"{event.where}{refused} Nothing was published.") from refused


def _line_about(published: Published) -> str:
    deliveries = published.event.deliveries.count()
    line = f"{published.event.id} {deliveries} {'delivery' if deliveries == 1 else 'deliveries'}"
    return line if published.created else f"{line}, published before with this idempotency key"


def _with_progress(wanted: list[_Wanted]) -> Iterator[_Wanted]:
    console = Console(stderr=True)
    if len(wanted) == 1 or not sys.stderr.isatty():
        yield from wanted
        return
    columns = (TextColumn("Publishing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield from progress.track(wanted)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}" if "\n" in text else f"character {error.colno}"
        raise CommandError(f"{where}This is not JSON: {error.msg} at {place}.") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{where}This is not JSON that can be read: {error}.") from error


def _time(text: str | None, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"{where}{text!r} is not a time, such as 2026-03-01T12:00:00Z.")
    return moment


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{_name(file)} is not UTF-8 text: {error.reason} at byte {error.start}.") from error


def _name(file: str) -> str:
    return "Standard input" if file == _STDIN else file
