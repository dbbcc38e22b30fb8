from typing import Any, ClassVar

from django.contrib import admin

from subscriptions.admin.base import NotDeletedHere, ReadOnly, moment
from subscriptions.models import SigningSecret


@admin.register(SigningSecret)
class SigningSecretAdmin(ReadOnly, NotDeletedHere[SigningSecret]):
    """Every endpoint's secrets, masked. What can be done with them stands on the endpoint's page."""

    list_display = ["secret", "kind", "endpoint", moment("created_at"), moment("expires_at")]
    list_filter = [("expires_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["endpoint"]
    search_fields = ["endpoint__url", "endpoint__description"]
    id_lookups = {"sec": "pk", "ep": "endpoint", "sub": "endpoint__subscriber"}
    fields: ClassVar[Any] = [
        "secret",
        "kind",
        "public_key",
        "endpoint",
        "id",
        moment("created_at"),
        moment("expires_at"),
    ]
    readonly_fields = fields

    @admin.display
    def secret(self, row: SigningSecret) -> str:
        return row.masked

    @admin.display
    def kind(self, row: SigningSecret) -> str:
        return row.kind.value

    @admin.display(description="public key")
    def public_key(self, row: SigningSecret) -> str:
        return row.public_key or "-"
