from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from subscriptions import signing_secrets
from subscriptions.admin.base import NotDeletedHere, PartInline, moment
from subscriptions.admin.typed import ModelForm
from subscriptions.models import Endpoint, SigningSecret


class _MaskedInput(forms.TextInput):
    """Takes a value but never shows one."""

    def format_value(self, value: Any) -> None:
        return None


class SigningSecretForm(ModelForm[SigningSecret]):
    value = forms.CharField(
        label="Secret",
        required=False,
        max_length=signing_secrets.MAX_CHARACTERS,
        strip=False,
        widget=_MaskedInput(attrs={"size": 56, "placeholder": "Empty: a new one is made", "autocomplete": "off"}),
    )

    class Meta:
        model = SigningSecret
        fields = ["value", "expires_at"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self._is_new:
            self.fields["value"].disabled = True
            self.fields["value"].widget.attrs["placeholder"] = self.instance.masked

    @property
    def _is_new(self) -> bool:
        return self.instance._state.adding

    def has_changed(self) -> bool:
        # A new row is wanted also where it was left empty.
        return self._is_new or super().has_changed()

    def clean_value(self) -> str:
        return self.cleaned_data["value"] or signing_secrets.generate()


class SigningSecretInline(PartInline[SigningSecret, Endpoint]):
    model = SigningSecret
    form = SigningSecretForm
    fields = ["value", "expires_at", moment("created_at")]
    readonly_fields = [moment("created_at")]
    min_num = 1

    def get_formset(self, request: HttpRequest, obj: Endpoint | None = None, **options: Any) -> Any:
        return super().get_formset(request, obj, validate_min=True, **options)


@admin.register(SigningSecret)
class SigningSecretAdmin(NotDeletedHere[SigningSecret]):
    """Every endpoint's secrets, masked. They are added and deleted on the endpoint's page, which keeps one."""

    list_display = ["secret", "endpoint", moment("created_at"), moment("expires_at")]
    list_filter = [("expires_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["endpoint"]
    search_fields = ["endpoint__url", "endpoint__description"]
    id_lookups = {"sec": "pk", "ep": "endpoint", "sub": "endpoint__subscriber"}
    fields = ["secret", "endpoint", "expires_at", "id", moment("created_at")]
    readonly_fields = ["secret", "endpoint", "id", moment("created_at")]

    @admin.display
    def secret(self, row: SigningSecret) -> str:
        return row.masked

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
