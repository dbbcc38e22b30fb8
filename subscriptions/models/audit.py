"""The audit log: who changed what, when and from where. Never what a secret is, or was."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models

from subscriptions.fields import PublicIdField

_ACTOR_LENGTH = 300
_DETAIL_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, in words, and the address that they do it from, where there is one."""

    name: str
    address: str | None = None


# Whoever calls the domain without saying more: the code of a platform that has these apps installed.
PLATFORM = Actor("the platform's code")
# Workers, which act by rules and not for anybody.
DISPATCHER = Actor("the dispatcher")


class Action(models.TextChoices):
    CREATED = "created", "Created"
    CHANGED = "changed", "Changed"
    DELETED = "deleted", "Deleted"
    PAUSED = "paused", "Paused"
    RESUMED = "resumed", "Resumed"
    ENABLED = "enabled", "Enabled"
    DISABLED = "disabled", "Disabled"
    CHALLENGED = "challenged", "Challenged"
    IMPORTED = "imported", "Imported"
    REVEALED = "revealed", "Revealed"
    EXPIRED = "expired", "Given an end"
    REVOKED = "revoked", "Revoked"


class AuditEntry(models.Model):
    """One change of one object. Stays when the object is gone."""

    id = PublicIdField("aud")
    action = models.CharField(max_length=20, choices=Action.choices)
    # Ids, not references: an entry outlives what it tells of.
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=40)
    endpoint = models.CharField(max_length=40, blank=True, help_text="The endpoint that it is or belongs to.")
    # Names of fields, never values.
    fields = models.JSONField(default=list)
    detail = models.CharField(max_length=_DETAIL_LENGTH, blank=True)
    actor = models.CharField(max_length=_ACTOR_LENGTH)
    client_address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        indexes = [
            # Serves the filters of the list: what happened to this endpoint and all that belongs to it, to this object?
            models.Index("endpoint", "id", name="subscriptions_audit_endpoint"),
            models.Index("object_id", "id", name="subscriptions_audit_object"),
        ]

    def __str__(self) -> str:
        return f"{self.object_id} {self.action} by {self.actor}"


def record(action: Action, row: models.Model, *, by: Actor, fields: Iterable[str] = (), detail: str = "") -> None:
    """Remember what was done with `row`, in the transaction that does it.

    `fields` names what was changed, without values. An endpoint's credentials, headers and event types are fields of
    the endpoint; what has an id of its own, such as a signing secret, is an object of its own.
    """
    _entry(action, row, by=by, fields=fields, detail=detail).save(force_insert=True)


def record_many(action: Action, rows: Iterable[models.Model], *, by: Actor) -> None:
    """Remember that the same was done with each of `rows`."""
    AuditEntry.objects.bulk_create([_entry(action, row, by=by) for row in rows], batch_size=500)


def _entry(action: Action, row: models.Model, *, by: Actor, fields: Iterable[str] = (), detail: str = "") -> AuditEntry:
    return AuditEntry(
        action=action,
        object_type=object_type(type(row)),
        object_id=str(row.pk),
        endpoint=_endpoint_of(row),
        fields=sorted(fields),
        detail=detail[:_DETAIL_LENGTH],
        actor=by.name[:_ACTOR_LENGTH],
        client_address=by.address,
    )


def object_type(model: type[models.Model]) -> str:
    """Name a kind of object, such as `signing_secret`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", model.__name__).lower()


def _endpoint_of(row: models.Model) -> str:
    return str(row.pk if object_type(type(row)) == "endpoint" else getattr(row, "endpoint_id", ""))
