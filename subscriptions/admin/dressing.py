"""Unfold's look for the widgets of forms that are not made from a model, which it leaves as they are."""

from collections.abc import Mapping

from django import forms
from unfold.widgets import CHECKBOX_CLASSES, INPUT_CLASSES, SELECT_CLASSES, TEXTAREA_CLASSES

_CLASSES: Mapping[type[forms.Widget], list[str]] = {
    forms.TextInput: INPUT_CLASSES,
    forms.NumberInput: INPUT_CLASSES,
    forms.PasswordInput: INPUT_CLASSES,
    forms.Textarea: TEXTAREA_CLASSES,
    forms.Select: SELECT_CLASSES,
    forms.CheckboxInput: CHECKBOX_CLASSES,
}
# Looks for itself.
_DRESSED_ALREADY = "admin-autocomplete"


def dress(form: forms.BaseForm) -> None:
    """Give the widgets of `form` the classes that Unfold's own have."""
    for field in form.fields.values():
        widget = field.widget
        given = str(widget.attrs.get("class", ""))
        kind = next((each for each in type(widget).__mro__ if each in _CLASSES), None)
        # Unfold's own come with their classes.
        if kind and _DRESSED_ALREADY not in given and not type(widget).__module__.startswith("unfold."):
            widget.attrs["class"] = " ".join([given, *_CLASSES[kind]]).strip()
