import re

from django.core.exceptions import ValidationError
from django.db import models

from subscriptions import ids
from subscriptions.fields import PublicIdField
from subscriptions.models.audit import PLATFORM, Actor
from subscriptions.models.creation import create_valid

_ID_PREFIX = "sub"
# What can stand in a path as it is, and not be a step in it (. and ..).
_UID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:@+~-]*")


class SubscriberManager(models.Manager["Subscriber"]):
    def register(self, *, name: str, uid: str | None = None, by: Actor = PLATFORM) -> "Subscriber":
        """Create a subscriber. Raises Django's `ValidationError`, by field."""
        return create_valid(self.model(name=name, uid=uid), by=by)

    def find(self, text: str) -> "Subscriber | None":
        """Find the subscriber with this id or uid."""
        if _has_form_of_id(text):
            return self.filter(id=text).first()
        return self.filter(uid=text).first() if _UID.fullmatch(text) else None


class Subscriber(models.Model):
    """Whoever receives: a customer, a tenant."""

    id = PublicIdField(_ID_PREFIX)
    uid = models.CharField(
        max_length=200, unique=True, null=True, blank=True, help_text="The platform's own id of this subscriber."
    )
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SubscriberManager()

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raise Django's `ValidationError` for a uid that could not stand in a path or would pass for an id."""
        if self.uid is None:
            return
        if not _UID.fullmatch(self.uid):
            raise ValidationError({"uid": "Write a uid of letters, digits and . _ : @ + ~ - without spaces."})
        if _has_form_of_id(self.uid):
            raise ValidationError(
                {"uid": f"A uid must not look like one of the dispatcher's own ids ({_ID_PREFIX}_…)."}
            )


def _has_form_of_id(text: str) -> bool:
    try:
        ids.decode(_ID_PREFIX, text)
    except ids.InvalidId:
        return False
    return True
