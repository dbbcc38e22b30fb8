import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction

from subscriptions import patterns, payload_schemas
from subscriptions.fields import PublicIdField
from subscriptions.models.audit import PLATFORM, Action, Actor, record
from subscriptions.models.creation import create_valid, save_valid

# How long a process goes on to believe what it read of a type: so long may a change go unnoticed elsewhere.
_KNOWN_SECONDS = 1.0
# Names come from whoever publishes: no more of them are kept than this.
_KNOWN_AT_MOST = 1000


def validate_name(name: str) -> None:
    """Raise Django's `ValidationError` unless `name` is an event type's name."""
    try:
        patterns.check_name(name)
    except patterns.InvalidEventType as error:
        raise ValidationError(str(error)) from error


@dataclass(frozen=True, slots=True)
class KnownType:
    """What publishing asks of an event type. `schema` is JSON text, of types whose data must fit it."""

    is_archived: bool
    schema: str | None


class InUse(Exception):
    """An event type cannot be deleted. The message says why, and what to do."""


class EventTypeManager(models.Manager["EventType"]):
    # By name, with when this is to be read again. None: there is no such type.
    _known: ClassVar[dict[str, tuple[KnownType | None, float]]] = {}

    def register(self, *, name: str, by: Actor = PLATFORM, **fields: Any) -> "EventType":
        """Create an event type. Raises Django's `ValidationError`, by field."""
        event_type = create_valid(self.model(name=name, **fields), by=by)
        self.forget(name)
        return event_type

    def known(self, name: str) -> KnownType | None:
        """Say what there is to know of a type before one of its events is published, None if it does not exist.

        Asks the database at most once a second for a type.
        """
        known, until = self._known.get(name, (None, 0.0))
        if time.monotonic() < until:
            return known
        row = self.filter(name=name).values_list("archived_at", "enforce_schema", "schema").first()
        known = None if row is None else KnownType(row[0] is not None, json.dumps(row[2]) if row[1] else None)
        if len(self._known) >= _KNOWN_AT_MOST:
            self._known.clear()
        self._known[name] = known, time.monotonic() + _KNOWN_SECONDS
        return known

    def forget(self, name: str | None = None) -> None:
        """Ask the database when this type, or any, is published next."""
        if name is None:
            self._known.clear()
        else:
            self._known.pop(name, None)


class EventType(models.Model):
    """A dotted name of something that happens, such as `invoice.paid`."""

    id = PublicIdField("ety")
    name = models.CharField(max_length=patterns.MAX_LENGTH, unique=True, validators=[validate_name])
    description = models.TextField(blank=True)
    group = models.CharField(max_length=100, blank=True, help_text="What it is listed under.")
    schema = models.JSONField("JSON Schema", null=True, blank=True, help_text="What data of this type looks like.")
    enforce_schema = models.BooleanField(default=False, help_text="Refuse data that does not fit the schema.")
    example = models.JSONField(null=True, blank=True, help_text="Data of this type. It has to fit the schema.")
    archived_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when none of its events can be published."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EventTypeManager()

    def __str__(self) -> str:
        return self.name

    @property
    def archived(self) -> bool:
        return self.archived_at is not None

    def clean(self) -> None:
        """Raise Django's `ValidationError`, by field, for a schema that is none, or an example that does not fit it."""
        limit = settings.WEBHOOKS.schema_size
        if self.schema is not None:
            try:
                payload_schemas.check_schema(self.schema, size=limit)
            except payload_schemas.InvalidSchema as error:
                raise ValidationError({"schema": str(error)}) from None
        elif self.enforce_schema:
            raise ValidationError({"enforce_schema": "There is no schema that data could have to fit."})
        if self.example is None:
            return
        if len(json.dumps(self.example).encode()) > limit:
            raise ValidationError({"example": f"The example is more than the {limit} bytes that are allowed."})
        if self.schema is not None and (problem := payload_schemas.problem_with(self.example, json.dumps(self.schema))):
            raise ValidationError({"example": f"The example does not fit the schema. {problem}"})

    @transaction.atomic
    def change(self, given: Mapping[str, Any], *, now: datetime, by: Actor = PLATFORM) -> None:
        """Change the fields that `given` names; `archived` is true or false.

        Raises Django's `ValidationError`, by field.
        """
        fresh = EventType.objects.select_for_update().get(pk=self.pk)
        changed = [name for name in given if getattr(fresh, name) != given[name]]
        for name in changed:
            if name != "archived":
                setattr(fresh, name, given[name])
        if "archived" in changed:
            fresh.archived_at = now if given["archived"] else None
        if changed:
            save_valid(fresh, ["archived_at" if name == "archived" else name for name in changed], by=by)
            EventType.objects.forget(self.name)

    @property
    def use(self) -> str | None:
        """Why it cannot be deleted: endpoints ask for it by name. None if none does."""
        # It needs the endpoints, which need nothing of event types.
        from subscriptions.models.endpoint import EventTypePattern

        wanting = EventTypePattern.objects.filter(pattern=self.name).count()
        asked = f"Endpoints that ask for {self.name} by name: {wanting}."
        return f"{asked} Archive it instead, or change them first." if wanting else None

    @transaction.atomic
    def remove(self, *, by: Actor = PLATFORM) -> None:
        """Delete it. Raises `InUse` while an endpoint asks for it by name. Events of this type stay as they are."""
        if self.use:
            raise InUse(self.use)
        record(Action.DELETED, self, by=by)
        EventType.objects.filter(pk=self.pk).delete()
        EventType.objects.forget(self.name)
