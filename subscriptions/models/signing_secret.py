from django.db import models

from subscriptions import signing_secrets
from subscriptions.fields import PublicIdField
from subscriptions.models.endpoint import Endpoint

_SHOWN_CHARACTERS = 10
# Of a shorter secret, which somebody may have thought up, even the beginning helps to guess the rest.
_SHOWN_FROM_LENGTH = 38


class SigningSecret(models.Model):
    """A secret that an endpoint's requests are signed with. Several may be valid at once, while one is rotated."""

    id = PublicIdField("sec")
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="signing_secrets")
    value = models.CharField(max_length=signing_secrets.MAX_CHARACTERS, default=signing_secrets.generate)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Signs until then. Empty: for good.")

    def __str__(self) -> str:
        return self.masked

    @property
    def masked(self) -> str:
        """Enough of the secret to recognise it by."""
        return f"{self.value[:_SHOWN_CHARACTERS] if len(self.value) >= _SHOWN_FROM_LENGTH else ''}…"

    def clean(self) -> None:
        """Raise Django's `ValidationError` unless the secret has the form that the endpoint's schemes need."""
        self.endpoint.check_secret(self.value)
