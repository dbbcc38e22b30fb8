from django.db import models

from subscriptions.fields import PublicIdField

_ACTOR_LENGTH = 300


class SecretAction(models.TextChoices):
    CREATED = "created", "Created"
    IMPORTED = "imported", "Imported"
    REVEALED = "revealed", "Revealed"
    EXPIRED = "expired", "Given an end"


class SecretAuditManager(models.Manager["SecretAuditEntry"]):
    def write(self, action: SecretAction, *, secret: str, endpoint: str, by: str, detail: str = "") -> None:
        """Remember what was done with a secret. `by` says who did it, in words."""
        self.create(action=action, secret=secret, endpoint=endpoint, actor=by[:_ACTOR_LENGTH], detail=detail)


class SecretAuditEntry(models.Model):
    """Who did what with which signing secret, and when. Stays when the secret and its endpoint are gone."""

    id = PublicIdField("aud")
    action = models.CharField(max_length=20, choices=SecretAction.choices)
    # Ids, not references: an entry outlives what it tells of.
    secret = models.CharField(max_length=40)
    endpoint = models.CharField(max_length=40)
    actor = models.CharField(max_length=_ACTOR_LENGTH)
    detail = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SecretAuditManager()

    class Meta:
        verbose_name = "secret audit entry"
        verbose_name_plural = "secret audit entries"
        indexes = [
            # Serves the admin's search: what happened to this endpoint's secrets, to this secret?
            models.Index("endpoint", "id", name="subscriptions_audit_endpoint"),
            models.Index("secret", "id", name="subscriptions_audit_secret"),
        ]

    def __str__(self) -> str:
        return f"{self.secret} {self.action} by {self.actor}"
