import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from subscriptions import ids
from subscriptions.fields import PublicIdField
from subscriptions.models.audit import PLATFORM, Action, Actor, record
from subscriptions.models.creation import create_valid, save_valid
from subscriptions.models.delivery_settings import check_metadata
from subscriptions.models.flow_control import HasRateLimit
from subscriptions.models.removal import Removable, remove_endpoints

_ID_PREFIX = "sub"
# What can stand in a path as it is, and not be a step in it (. and ..).
_UID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:@+~-]*")


class SubscriberManager(models.Manager["Subscriber"]):
    """Those that were not deleted."""

    def get_queryset(self) -> models.QuerySet["Subscriber"]:
        return super().get_queryset().filter(deleted_at=None)

    def register(self, *, name: str, uid: str | None = None, by: Actor = PLATFORM, **notes: Any) -> "Subscriber":
        """Create a subscriber. `notes` are further fields. Raises Django's `ValidationError`, by field."""
        return create_valid(self.model(name=name, uid=uid, **notes), by=by)

    def find(self, text: str, *, deleted_too: bool = False) -> "Subscriber | None":
        """Find the subscriber with this id or uid. One that was deleted has its id only."""
        if _has_form_of_id(text):
            return (Subscriber.with_deleted if deleted_too else self).filter(id=text).first()
        return self.filter(uid=text).first() if _UID.fullmatch(text) else None


class Subscriber(HasRateLimit, Removable):
    """Whoever receives: a customer, a tenant."""

    id = PublicIdField(_ID_PREFIX)
    uid = models.CharField(max_length=200, null=True, blank=True, help_text="The platform's own id of this subscriber.")
    name = models.CharField(max_length=200)
    contact_email = models.EmailField(blank=True, help_text="Who is told when its endpoints are in trouble.")
    metadata = models.JSONField(default=dict, blank=True, help_text="The platform's own notes.")
    is_operator = models.BooleanField(
        "operators",
        default=False,
        help_text="Its endpoints are those of the people who run this dispatcher: they get operational events.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SubscriberManager()
    with_deleted = models.Manager["Subscriber"]()

    class Meta:
        constraints = [
            # Serves `find`. The uid of one that was deleted can be given to another.
            models.UniqueConstraint(
                fields=["uid"],
                condition=models.Q(deleted_at=None),
                name="subscriptions_subscriber_uid_unique",
                violation_error_code="unique",
                violation_error_message="Subscriber with this Uid already exists.",
            ),
        ]
        indexes = [
            # Serves dispatch.operational: whom to tell? Very few rows.
            models.Index("id", name="subscriptions_sub_operators", condition=models.Q(is_operator=True)),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raise Django's `ValidationError` for a uid that could not stand in a path or would pass for an id.

        The same for metadata and rate limits beyond what is possible.
        """
        check_metadata(self.metadata)
        self.clean_rate_limit()
        if self.uid is None:
            return
        if not _UID.fullmatch(self.uid):
            raise ValidationError({"uid": "Write a uid of letters, digits and . _ : @ + ~ - without spaces."})
        if _has_form_of_id(self.uid):
            raise ValidationError(
                {"uid": f"A uid must not look like one of the dispatcher's own ids ({_ID_PREFIX}_…)."}
            )

    @transaction.atomic
    def change(self, given: Mapping[str, Any], *, by: Actor = PLATFORM) -> None:
        """Change the fields that `given` names. Raises Django's `ValidationError`, by field."""
        fresh = Subscriber.objects.select_for_update().get(pk=self.pk)
        changed = [name for name in given if getattr(fresh, name) != given[name]]
        for name in changed:
            setattr(fresh, name, given[name])
        if changed:
            save_valid(fresh, changed, by=by)

    @transaction.atomic
    def remove(self, *, now: datetime, by: Actor = PLATFORM) -> None:
        """Delete it with its endpoints, and revoke its API keys. Its uid can be given to another."""
        from subscriptions.models.api_key import ApiKey  # it needs this module

        Subscriber.objects.select_for_update().get(pk=self.pk)
        remove_endpoints(self.endpoints.all(), now=now, by=by)
        for key in ApiKey.objects.filter(subscriber=self, revoked_at=None):
            key.revoke(now, by=by)
        Subscriber.objects.filter(pk=self.pk).update(deleted_at=now)
        record(Action.DELETED, self, by=by)


def _has_form_of_id(text: str) -> bool:
    try:
        ids.decode(_ID_PREFIX, text)
    except ids.InvalidId:
        return False
    return True
