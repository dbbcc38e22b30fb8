"""The part of an endpoint's form that says how it wants its deliveries."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from subscriptions.admin.signature_schemes_form import SignatureSchemesForm
from subscriptions.models import Endpoint
from subscriptions.models.delivery_settings import FORMAT_CHOICES
from subscriptions.models.endpoint_access import check_move_to
from subscriptions.payload_format import PayloadFormat

DELIVERY_FIELDS = ["channels", "payload_format", "retry_schedule", "timeout", "metadata"]
DELIVERY_FIELDSET: tuple[str, Any] = ("Delivery", {"fields": DELIVERY_FIELDS, "classes": ["collapse"]})
_NONE = "none"


class WordsField(forms.CharField):
    """A list of words, written with spaces or commas between them."""

    widget = forms.TextInput(attrs={"class": "vTextField"})

    def prepare_value(self, value: Any) -> Any:
        return " ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return str(value or "").replace(",", " ").split()

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != initial)


class DelaysField(WordsField):
    """A list of seconds. Empty is None, and `none` an empty list."""

    def prepare_value(self, value: Any) -> Any:
        return _NONE if value == [] else super().prepare_value(value)

    def to_python(self, value: Any) -> Any:
        words = super().to_python(value)
        if not words or words == [_NONE]:
            return [] if words else None
        try:
            return [float(word) if "." in word else int(word) for word in words]
        except ValueError as error:
            raise ValidationError("Write numbers of seconds, such as 5, 300, 3600.") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return super().has_changed(initial, data)
        except ValidationError:
            return True


class MetadataField(forms.JSONField):
    """An object of texts. Empty is an empty one."""

    def __init__(self) -> None:
        super().__init__(required=False, help_text='The platform\'s own notes, such as {"plan": "gold"}.')
        self.widget.attrs["rows"] = 3

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        return {} if cleaned is None else cleaned

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != (initial or {}))
        except ValidationError:
            return True


class EndpointForm(SignatureSchemesForm):
    channels = WordsField(
        required=False, help_text="It gets events that name one of these. Empty: it gets all, whatever they name."
    )
    payload_format = forms.TypedChoiceField(
        required=False,
        choices=FORMAT_CHOICES,
        initial=PayloadFormat.DATA.value,
        empty_value=PayloadFormat.DATA.value,
    )
    retry_schedule = DelaysField(
        required=False, help_text=f"Seconds from a failed attempt to the next, or {_NONE}. Empty: as everywhere."
    )
    metadata = MetadataField()

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        if self.instance.pk and not self.instance._state.adding:
            try:
                check_move_to(Endpoint.objects.get(pk=self.instance.pk), url)
            except ValidationError as error:
                raise ValidationError(error.message_dict["url"]) from error
        return url
