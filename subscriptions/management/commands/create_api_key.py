"""`manage.py create_api_key`: a bearer key of the REST API."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from subscriptions.management import database_errors
from subscriptions.models import ApiKey


class Command(BaseCommand):
    help = (
        "Create a key for the REST API. The key is the last line of the standard output, everything else goes to "
        "the standard error: KEY=$(python manage.py create_api_key ci)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="Whom or what the key is for, such as 'CI'.")

    def handle(self, *, name: str, **_: Any) -> None:
        if not name.isprintable():
            raise CommandError("The name does not fit. Write it in printable characters.")
        try:
            ApiKey._meta.get_field("name").clean(name.strip(), None)
        except ValidationError as error:
            raise CommandError(f"The name does not fit. {' '.join(error.messages)}") from error
        with database_errors.told_in_a_sentence():
            key, text = ApiKey.objects.generate(name.strip())
        self.stderr.write(f"Created the API key {key}. It is shown this once and not kept. Send it with each request:")
        self.stderr.write("    Authorization: Bearer <key>")
        self.stdout.write(text)
