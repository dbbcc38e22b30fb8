import hashlib
import secrets
import time
from datetime import datetime, timedelta
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from subscriptions.fields import PublicIdField
from subscriptions.models.audit import PLATFORM, Action, Actor, record
from subscriptions.models.subscriber import Subscriber

_PREFIX = "whk_"
_SHOWN_CHARACTERS = 12
# How long a process goes on to trust a key that it has just found. So long may a key work that was revoked elsewhere.
_TRUST_SECONDS = 1.0
# How old the note of a key's last use may become before it is written again: not each request is to write.
_NOTED_EVERY = timedelta(minutes=1)


def _hash(key: str) -> str:
    # A key is 256 random bits: a plain digest cannot be guessed back, and can be looked up by an index.
    return hashlib.sha256(key.encode()).hexdigest()


class Scope(models.TextChoices):
    """What a key is good for."""

    ADMIN = "admin", "Everything"
    PUBLISH = "publish", "Publish events"
    READ = "read", "Read everything but secrets"
    SUBSCRIBER = "subscriber", "Everything that belongs to one subscriber"


class ApiKeyManager(models.Manager["ApiKey"]):
    # By hash, with when the trust in it ends. Only keys that exist come in here.
    _trusted: ClassVar[dict[str, tuple["ApiKey", float]]] = {}

    @transaction.atomic
    def generate(
        self,
        name: str,
        *,
        scope: Scope = Scope.ADMIN,
        subscriber: Subscriber | None = None,
        expires_at: datetime | None = None,
        rate_limit: int | None = None,
        by: Actor = PLATFORM,
    ) -> tuple["ApiKey", str]:
        """Create a key called `name`. Return it with its text, which is not kept and cannot be shown again.

        A key of the scope `subscriber` needs one. Raises Django's `ValidationError`, by field.
        """
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError({"expires_at": "This moment has passed. Write one to come, or none."})
        text = _PREFIX + secrets.token_urlsafe(32)
        api_key = self.model(
            name=name,
            scope=scope,
            subscriber=subscriber,
            expires_at=expires_at,
            rate_limit=rate_limit,
            prefix=text[:_SHOWN_CHARACTERS],
            hash=_hash(text),
        )
        api_key.full_clean()
        api_key.save(force_insert=True)
        record(Action.CREATED, api_key, by=by, detail=f"Scope {api_key.scope}.")
        return api_key, text

    def find(self, text: str) -> "ApiKey | None":
        """Find the key with this text, if it may be used. Asks the database at most once a second for a key."""
        hashed = _hash(text)
        trusted, trusted_until = self._trusted.get(hashed, (None, 0.0))
        if time.monotonic() < trusted_until:
            return trusted
        found = self.filter(hash=hashed, revoked_at__isnull=True).first()
        if found is None or found.is_expired(now := timezone.now()):
            self._trusted.pop(hashed, None)
            return None
        found.note_use(now)
        self._trusted[hashed] = found, time.monotonic() + _TRUST_SECONDS
        return found

    def distrust(self) -> None:
        """Ask the database about every key that comes next."""
        self._trusted.clear()


class ApiKey(models.Model):
    """A bearer key of the REST API."""

    id = PublicIdField("key")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=_SHOWN_CHARACTERS, editable=False, help_text="Its first characters.")
    hash = models.CharField(max_length=64, unique=True, editable=False)
    scope = models.CharField(max_length=20, choices=Scope.choices, default=Scope.ADMIN)
    subscriber = models.ForeignKey(
        Subscriber,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
        help_text="Whose key it is, with the scope 'subscriber'.",
    )
    rate_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Requests that it may send in a minute. Empty: as set for all keys. 0: any number.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Works until then. Empty: until it is revoked.")
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyManager()

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(condition=models.Q(scope__in=Scope.values), name="subscriptions_apikey_scope_known"),
            models.CheckConstraint(
                condition=models.Q(scope=Scope.SUBSCRIBER, subscriber__isnull=False)
                | (~models.Q(scope=Scope.SUBSCRIBER) & models.Q(subscriber__isnull=True)),
                name="subscriptions_apikey_subscriber_by_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def clean(self) -> None:
        """Raise Django's `ValidationError`, by field."""
        if not self.name.isprintable():
            raise ValidationError({"name": "Write it in printable characters."})
        if (self.scope == Scope.SUBSCRIBER) != (self.subscriber_id is not None):
            raise ValidationError(
                {"subscriber": "A key of the scope 'subscriber' needs a subscriber, no other key has one."}
            )

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def note_use(self, now: datetime) -> None:
        """Remember that it was used, to the minute."""
        noted_before = now - _NOTED_EVERY
        if self.last_used_at is not None and self.last_used_at > noted_before:
            return
        unnoted = models.Q(last_used_at=None) | models.Q(last_used_at__lte=noted_before)
        ApiKey.objects.filter(unnoted, pk=self.pk).update(last_used_at=now)

    def revoke(self, now: datetime, *, by: Actor = PLATFORM) -> None:
        """Make the key useless: in this process at once, in others a second later."""
        with transaction.atomic():
            self.revoked_at = now
            self.save(update_fields=["revoked_at"])
            record(Action.REVOKED, self, by=by)
        ApiKey.objects.distrust()

    def expire(self, at: datetime | None, *, by: Actor = PLATFORM) -> None:
        """Let the key work until `at`, or with None until it is revoked."""
        with transaction.atomic():
            self.expires_at = at
            self.save(update_fields=["expires_at"])
            record(Action.CHANGED, self, by=by, fields=["expires_at"])
        ApiKey.objects.distrust()
