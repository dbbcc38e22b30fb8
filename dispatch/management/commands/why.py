"""`manage.py why`: say why an event was or was not sent to an endpoint."""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Model
from django.utils import timezone

from dispatch.models import Event
from dispatch.why import why
from subscriptions.management import database_errors
from subscriptions.models import Endpoint


class Command(BaseCommand):
    help = "Say why an event was or was not sent to an endpoint."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("event", metavar="EVENT", help="Id of the event, evt_….")
        parser.add_argument("endpoint", metavar="ENDPOINT", help="Id of the endpoint, ep_….")

    def handle(self, *, event: str, endpoint: str, **_: Any) -> None:
        with database_errors.told_in_a_sentence():
            answer = why(_found(Event, event), _found(Endpoint, endpoint), now=timezone.now())
        self.stdout.write(f"{answer.code}: {answer.sentence}")
        if answer.delivery is not None:
            self.stdout.write(f"  delivery: {answer.delivery.pk}")
        for name, value in answer.facts.items():
            if value not in (None, ""):
                self.stdout.write(f"  {name}: {', '.join(value) if isinstance(value, list) else value}")


def _found(model: type[Model], text: str) -> Any:
    try:
        return model._default_manager.get(pk=text)
    except (ObjectDoesNotExist, ValidationError) as error:
        raise CommandError(f"There is no {model._meta.verbose_name} {text!r}.") from error
