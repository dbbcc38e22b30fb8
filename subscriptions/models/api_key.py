import hashlib
import secrets
import time
from datetime import datetime
from typing import ClassVar

from django.db import models

from subscriptions.fields import PublicIdField

_PREFIX = "whk_"
_SHOWN_CHARACTERS = 12
# How long a process goes on to trust a key that it has just found. So long may a key work that was revoked elsewhere.
_TRUST_SECONDS = 1.0


def _hash(key: str) -> str:
    # A key is 256 random bits: a plain digest cannot be guessed back, and can be looked up by an index.
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeyManager(models.Manager["ApiKey"]):
    # By hash, with when the trust in it ends. Only keys that exist come in here.
    _trusted: ClassVar[dict[str, tuple["ApiKey", float]]] = {}

    def generate(self, name: str) -> tuple["ApiKey", str]:
        """Create a key called `name`. Return it with its text, which is not kept and cannot be shown again."""
        text = _PREFIX + secrets.token_urlsafe(32)
        return self.create(name=name, prefix=text[:_SHOWN_CHARACTERS], hash=_hash(text)), text

    def find(self, text: str) -> "ApiKey | None":
        """Find the key with this text, unless it was revoked. Asks the database at most once a second for a key."""
        hashed = _hash(text)
        trusted, trusted_until = self._trusted.get(hashed, (None, 0.0))
        if time.monotonic() < trusted_until:
            return trusted
        found = self.filter(hash=hashed, revoked_at__isnull=True).first()
        if found is None:
            self._trusted.pop(hashed, None)
        else:
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
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyManager()

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def revoke(self, now: datetime) -> None:
        """Make the key useless: in this process at once, in others a second later."""
        self.revoked_at = now
        self.save(update_fields=["revoked_at"])
        ApiKey.objects.distrust()
