"""The part of an endpoint's form that chooses its signature schemes."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django import forms

from subscriptions.admin.typed import ModelForm
from subscriptions.models import Endpoint
from subscriptions.signature_schemes import (
    MAX_HEADER,
    MAX_PREFIX,
    PRESETS,
    STANDARD,
    Digest,
    Encoding,
    Layout,
    Scheme,
    Signed,
)

_OWN = "own"
_OWN_PREFIX = "own_"
_PRESET_LABELS: Mapping[str, str] = {
    "x-signature": "hex HMAC-SHA256 of the body",
    "github": "as GitHub signs",
    "stripe": "as Stripe signs, t=…,v1=…",
    "shopify": "as Shopify signs, in base64",
}
_CHOICES = [
    (STANDARD, "Standard Webhooks: webhook-signature"),
    *((name, f"{scheme.header}: {_PRESET_LABELS[name]}") for name, scheme in PRESETS.items()),
    (_OWN, "A scheme of the receiver's own, as set below"),
]
OWN_FIELDS = [_OWN_PREFIX + field.name for field in dataclasses.fields(Scheme)]
OWN_FIELDSET: tuple[str, Any] = ("The receiver's own scheme", {"fields": OWN_FIELDS, "classes": ["collapse"]})


class SignatureSchemesForm(ModelForm[Endpoint]):
    signature_schemes = forms.MultipleChoiceField(
        choices=_CHOICES,
        initial=[STANDARD],
        # The class keeps the labels from being as narrow as those of fields.
        widget=forms.CheckboxSelectMultiple(attrs={"class": "radiolist"}),
    )
    own_header = forms.CharField(
        label="Header", required=False, max_length=MAX_HEADER, help_text="Such as X-Acme-Signature."
    )
    own_digest = forms.ChoiceField(
        label="Digest",
        required=False,
        choices=[(Digest.SHA256, "SHA-256"), (Digest.SHA512, "SHA-512"), (Digest.SHA1, "SHA-1: weak, avoid it")],
    )
    own_encoding = forms.ChoiceField(
        label="Written in", required=False, choices=[(Encoding.HEX, "hex"), (Encoding.BASE64, "base64")]
    )
    own_prefix = forms.CharField(
        label="Prefix",
        required=False,
        strip=False,
        max_length=MAX_PREFIX,
        help_text="What stands before the signature, such as sha256=.",
    )
    own_signed = forms.ChoiceField(label="Signed", required=False, choices=[(str(each), str(each)) for each in Signed])
    own_layout = forms.ChoiceField(
        label="Layout",
        required=False,
        choices=[(Layout.PLAIN, "The signature alone"), (Layout.COMBINED, "Combined: t=timestamp,v1=signature")],
    )
    own_timestamp_header = forms.CharField(
        label="Timestamp header",
        required=False,
        max_length=MAX_HEADER,
        help_text="If the timestamp is signed and has a header of its own, such as X-Acme-Timestamp.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        stored = self.instance.signature_schemes
        self.initial["signature_schemes"] = [_OWN if isinstance(each, dict) else each for each in stored]
        for own in stored:
            if isinstance(own, dict):
                self.initial.update({_OWN_PREFIX + name: text for name, text in own.items()})

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        given = {name.removeprefix(_OWN_PREFIX): values.pop(name, "") for name in OWN_FIELDS}
        own = {name: text for name, text in given.items() if text}
        if "signature_schemes" in values:
            values["signature_schemes"] = [own if each == _OWN else each for each in values["signature_schemes"]]
        return values

    @cached_property
    def changed_data(self) -> list[str]:
        # By the names of the model's fields: the page saves those.
        names = ["signature_schemes" if name in OWN_FIELDS else name for name in super().changed_data]
        return list(dict.fromkeys(names))
