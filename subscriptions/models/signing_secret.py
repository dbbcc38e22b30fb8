from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import models, transaction

from subscriptions import notices, signing_secrets
from subscriptions.encrypted_fields import EncryptedTextField
from subscriptions.fields import PublicIdField
from subscriptions.models.audit import Action, Actor, record
from subscriptions.models.endpoint import Endpoint
from subscriptions.notices import Happened, NoticeKind
from subscriptions.signing_secrets import Kind

DEFAULT_OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=7)
# Each adds a signature to the header, whose length receivers limit.
MAX_VALID = 5
_SHOWN_CHARACTERS = 10
# Of a shorter secret, which somebody may have thought up, even the beginning helps to guess the rest.
_SHOWN_FROM_LENGTH = 38


class SigningSecretQuerySet(models.QuerySet["SigningSecret"]):
    def valid(self, now: datetime) -> "SigningSecretQuerySet":
        """Those that sign, the newest first."""
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now)).order_by("-id")

    def issue(
        self, endpoint: Endpoint, *, text: str | None, secret_kind: Kind | None, by: Actor, detail: str = ""
    ) -> "SigningSecret":
        """Give an endpoint a secret: `text`, or a new one of a kind. Raises Django's `ValidationError`, by field."""
        if text is not None and secret_kind is not None:
            raise ValidationError({"secret_kind": "The kind is for a new secret: leave it out, or the secret."})
        try:
            value = signing_secrets.generate(secret_kind or Kind.SHARED) if text is None else text
            endpoint.check_secret(value)
        except ValidationError as error:
            raise ValidationError({"secret" if secret_kind is None else "secret_kind": error.messages}) from error
        secret = self.create(endpoint=endpoint, value=value)
        record(Action.CREATED if text is None else Action.IMPORTED, secret, by=by, detail=detail)
        return secret

    @transaction.atomic
    def rotate(
        self,
        endpoint: Endpoint,
        *,
        now: datetime,
        by: Actor,
        overlap: timedelta = DEFAULT_OVERLAP,
        text: str | None = None,
        secret_kind: Kind | None = None,
    ) -> "SigningSecret":
        """Give an endpoint a new secret, beside which its others sign until `overlap` is over.

        A new secret is of the same kind as the newest, unless `secret_kind` says otherwise; `text` imports one instead.
        Raises Django's `ValidationError`, by field.
        """
        if not timedelta(0) <= overlap <= MAX_OVERLAP:
            raise ValidationError({"overlap": f"Secrets can overlap for 0 to {MAX_OVERLAP.days} days."})
        endpoint = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
        others = list(endpoint.signing_secrets.valid(now))
        if text is not None and any(each.value == text for each in others):
            raise ValidationError({"secret": "The endpoint has this secret already."})
        if text is None and secret_kind is None and others:
            secret_kind = others[0].kind
        secret = self.issue(endpoint, text=text, secret_kind=secret_kind, by=by, detail="By rotation.")
        for each in others:
            each.end(now + overlap, by=by)
        if overlap and len(others) >= MAX_VALID:
            raise ValidationError(f"{len(others)} secrets are valid already. Let one expire first.")
        facts = {"secret": secret.pk, "others_sign_until": now + overlap if others else None}
        reason = "It has a new signing secret."
        notices.tell(Happened(NoticeKind.ENDPOINT_SECRET_ROTATED, "rotation", reason, now, endpoint.pk, facts))
        return secret


class SigningSecret(models.Model):
    """A secret that an endpoint's requests are signed with. Several may be valid at once, while one is rotated."""

    id = PublicIdField("sec")
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="signing_secrets")
    value = EncryptedTextField(default=signing_secrets.generate)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Signs until then. Empty: for good.")

    objects = SigningSecretQuerySet.as_manager()

    class Meta:
        permissions = [("reveal_signingsecret", "Can reveal signing secret")]

    def __str__(self) -> str:
        return self.masked

    @property
    def kind(self) -> Kind:
        return signing_secrets.kind_of(self.value)

    @property
    def public_key(self) -> str | None:
        """What a receiver verifies signatures with: `whpk_…` of an ed25519 key. A shared secret has none."""
        return signing_secrets.public_key(self.value) if self.kind is Kind.ED25519 else None

    @property
    def masked(self) -> str:
        """Enough of the secret to recognise it by."""
        return f"{self.value[:_SHOWN_CHARACTERS] if len(self.value) >= _SHOWN_FROM_LENGTH else ''}…"

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now

    def clean(self) -> None:
        """Raise Django's `ValidationError` unless the secret has the form that the endpoint's schemes need."""
        self.endpoint.check_secret(self.value)

    @transaction.atomic
    def reveal(self, *, by: Actor) -> str:
        """Return the secret's text, and remember who asked for it."""
        record(Action.REVEALED, self, by=by)
        return str(self.value)

    @transaction.atomic
    def expire(self, *, now: datetime, by: Actor) -> None:
        """Sign with it no more. Raises Django's `ValidationError` where nothing lasting would be left to sign with."""
        endpoint = Endpoint.objects.select_for_update().get(pk=self.endpoint_id)
        if not endpoint.signing_secrets.filter(expires_at=None).exclude(pk=self.pk).exists():
            raise ValidationError("This is the only secret of its endpoint without an end. Rotate it instead.")
        self.refresh_from_db(fields=["expires_at"])
        self.end(now, by=by)

    def end(self, moment: datetime, *, by: Actor) -> None:
        """Let it sign until `moment`, or as long as it does already if that is shorter."""
        if self.is_valid(moment):
            self.expires_at = moment
            self.save(update_fields=["expires_at"])
            record(Action.EXPIRED, self, by=by, detail=f"Signs until {moment:%Y-%m-%d %H:%M:%S} UTC.")
