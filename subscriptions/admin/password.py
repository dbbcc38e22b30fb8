"""Asking a user for the password once more, before a page shows what nobody should find on a desk left alone."""

import time

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.http import HttpRequest

_GIVEN_AT = "password_given_at"


class PasswordForm(forms.Form):
    """Takes the password of the session's user. Failures count as failed logins do, and lock out as they do."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.POST if request.method == "POST" else None)
        self._request = request

    def clean_password(self) -> str:
        user = self._request.user
        password = str(self.cleaned_data["password"])
        if authenticate(self._request, username=user.get_username(), password=password) != user:
            raise ValidationError("That is not your password.")
        self._request.session[_GIVEN_AT] = time.time()
        return password


def was_given_lately(request: HttpRequest) -> bool:
    """Say whether the session's user gave the password a short while ago, to see a secret. A login is not that."""
    age = time.time() - float(request.session.get(_GIVEN_AT, 0))
    return 0 <= age < settings.WEBHOOKS.password_grace
