"""`manage.py create_api_key`: a bearer key of the REST API."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from subscriptions.management import database_errors
from subscriptions.models import Actor, ApiKey, Scope, Subscriber

_ACTOR = Actor("manage.py create_api_key")


class Command(BaseCommand):
    help = (
        "Create a key for the REST API. The key is the last line of the standard output, everything else goes to "
        "the standard error: KEY=$(python manage.py create_api_key ci)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="Whom or what the key is for, such as 'CI'.")
        parser.add_argument(
            "--scope",
            choices=Scope.values,
            default=Scope.ADMIN.value,
            help="What it is good for: everything (admin, the default), publishing events, reading, or what belongs to "
            "one subscriber.",
        )
        parser.add_argument("--subscriber", metavar="ID_OR_UID", help="Whose key it is, with --scope subscriber.")
        parser.add_argument(
            "--expires",
            metavar="TIME",
            help="When it ends, such as 2030-01-31 or 2030-01-31T12:00:00Z, in UTC.",
        )

    def handle(self, *, name: str, scope: str, subscriber: str | None, expires: str | None, **_: Any) -> None:
        expires_at = None if expires is None else _moment(expires)
        with database_errors.told_in_a_sentence():
            owner = None if subscriber is None else _subscriber(subscriber)
            try:
                key, text = ApiKey.objects.generate(
                    name.strip() if name.isprintable() else name,
                    scope=Scope(scope),
                    subscriber=owner,
                    expires_at=expires_at,
                    by=_ACTOR,
                )
            except ValidationError as error:
                raise CommandError(_in_sentences(error)) from error
        self.stderr.write(f"Created the API key {key}. It is shown this once and not kept. Send it with each request:")
        self.stderr.write("    Authorization: Bearer <key>")
        self.stdout.write(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"--expires {text} cannot be read. Write a date (2030-01-31) or a time (2030-01-31T12:00:00Z)."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _subscriber(text: str) -> Subscriber:
    found = Subscriber.objects.find(text)
    if found is None:
        raise CommandError(f"There is no subscriber with the id or uid {text!r}.")
    return found


def _in_sentences(error: ValidationError) -> str:
    return " ".join(
        f"The {field.replace('_', ' ')} does not fit. {' '.join(messages)}"
        for field, messages in error.message_dict.items()
    )
