"""Pages below an endpoint's page: its credentials and its custom headers. Secrets go in, and never come out."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from subscriptions import credentials
from subscriptions.admin.base import actor_of
from subscriptions.admin.endpoint_secrets import SecretVerbs, back_to
from subscriptions.credentials import MAX_SECRET, MAX_TEXT, ClientAuthentication, Kind
from subscriptions.models import Endpoint
from subscriptions.models.endpoint_access import shown_credentials, shown_header_names

ACCESS_FIELDSET: tuple[str, Any] = ("Access to the receiver", {"fields": ["shown_credentials", "shown_headers"]})
_NONE = "none"
_LABELS: Mapping[str, str] = {
    _NONE: "None",
    Kind.BASIC: "User and password",
    Kind.BEARER: "Bearer token",
    Kind.HEADER: "A header",
    Kind.OAUTH2: "OAuth 2 client credentials",
}
_TEXTS: Mapping[str, str] = {
    _NONE: "Requests carry their signature and nothing else that says whose they are.",
    Kind.BASIC: "Requests carry user name and password (HTTP Basic).",
    Kind.BEARER: "Requests carry this token as Authorization: Bearer.",
    Kind.HEADER: "Requests carry this header.",
    Kind.OAUTH2: "Requests carry an access token, which the token endpoint gives for id and secret of a client.",
}


def _text(label: str, **options: Any) -> forms.CharField:
    wide = forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"})
    return forms.CharField(label=label, strip=False, max_length=MAX_TEXT, widget=wide, **options)


def _secret(label: str) -> forms.CharField:
    # Is not filled in again after an error: what was typed does not come back in a page.
    hidden = forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"})
    return forms.CharField(label=label, strip=False, max_length=MAX_SECRET, widget=hidden)


class NoneForm(forms.Form):
    pass


class BasicForm(forms.Form):
    user = _text("User name")
    password = _secret("Password")


class BearerForm(forms.Form):
    token = _secret("Token")


class HeaderForm(forms.Form):
    name = _text("Header", help_text="Such as X-Api-Key.")
    value = _secret("Value")


class OAuth2Form(forms.Form):
    token_url = forms.CharField(label="Token URL", strip=False, widget=forms.TextInput(attrs={"class": "vTextField"}))
    client_id = _text("Client id")
    client_secret = _secret("Client secret")
    scope = _text("Scope", required=False, help_text="If the token endpoint wants one. With spaces between several.")
    audience = _text("Audience", required=False, help_text="If the token endpoint wants one.")
    client_authentication = forms.ChoiceField(
        label="The client's secret is sent",
        choices=[
            (ClientAuthentication.BASIC, "as user and password (HTTP Basic)"),
            (ClientAuthentication.BODY, "in the body"),
        ],
    )


_FORMS: Mapping[str, type[forms.Form]] = {
    _NONE: NoneForm,
    Kind.BASIC: BasicForm,
    Kind.BEARER: BearerForm,
    Kind.HEADER: HeaderForm,
    Kind.OAUTH2: OAuth2Form,
}


class HeadersForm(forms.Form):
    headers = forms.CharField(
        label="Headers",
        required=False,
        strip=False,
        help_text="One on each line, as Name: value. Empty: none. All are replaced.",
        # Is shown while it is typed, and neither before nor after.
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 8, "autocomplete": "off"}),
    )

    def clean_headers(self) -> dict[str, str]:
        lines = [line for line in str(self.cleaned_data["headers"]).replace("\r\n", "\n").split("\n") if line.strip()]
        headers: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            name, colon, value = line.partition(":")
            if not colon:
                raise ValidationError(f"Line {number} has no colon: write Name: value.")
            if name in headers:
                raise ValidationError(f"Line {number} names a header for the second time.")
            headers[name] = value.strip(" \t")
        return headers


class AccessVerbs(SecretVerbs):
    """Adds the pages to the admin of endpoints."""

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"subscriptions_endpoint_{name}",
            )
            for name, view in (("credentials", self.credentials_page), ("headers", self.headers_page))
        ]
        return [*pages, *super().get_urls()]

    def shown_credentials(self, endpoint: Endpoint) -> SafeString | str:
        shown = dict(shown_credentials(endpoint) or {"kind": _NONE})
        parts = [("", _LABELS[shown.pop("kind")])]
        parts += [(f"{name.replace('_', ' ')}: ", text) for name, text in shown.items() if text]
        return format_html_join(", ", "{}{}", parts)

    shown_credentials.short_description = "credentials"  # type: ignore[attr-defined]

    def shown_headers(self, endpoint: Endpoint) -> SafeString | str:
        return format_html_join(", ", "{}: …", ((name,) for name in shown_header_names(endpoint))) or "None"

    shown_headers.short_description = "custom headers"  # type: ignore[attr-defined]

    def credentials_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.endpoint_to_change(request, object_id)
        shown = dict(shown_credentials(endpoint) or {"kind": _NONE})
        kind = request.GET.get("kind", shown["kind"])
        kind = kind if kind in _FORMS else _NONE
        form = _FORMS[kind](
            request.POST if request.method == "POST" else None, initial=shown if kind == shown["kind"] else None
        )
        if form.is_valid():
            wanted = None if kind == _NONE else {"kind": kind, **form.cleaned_data}
            if self._done(request, form, "credentials", lambda: endpoint.set_credentials(wanted, by=actor_of(request))):
                self.log_change(request, endpoint, "Replaced its credentials.")
                self.message_user(request, "The next requests carry the new credentials.")
                return back_to(endpoint)
        if kind == _NONE:
            wanted_text = _TEXTS[kind]
        else:
            secret = credentials.secret_part(kind).replace("_", " ")
            wanted_text = f"{_TEXTS[kind]} The {secret} is not shown again: enter it anew for every change."
        return self.page_below(
            request,
            endpoint,
            title="Credentials",
            text=wanted_text,
            tabs=[(label, f"?kind={name}", name == kind) for name, label in _LABELS.items()],
            form=form,
            button="Save" if kind != _NONE else "Use none" if shown["kind"] != _NONE else None,
        )

    def headers_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.endpoint_to_change(request, object_id)
        form = HeadersForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            headers = form.cleaned_data["headers"]
            if self._done(request, form, "headers", lambda: endpoint.set_headers(headers, by=actor_of(request))):
                self.log_change(request, endpoint, "Replaced its custom headers.")
                self.message_user(request, "The next requests carry these headers.")
                return back_to(endpoint)
        names = ", ".join(shown_header_names(endpoint)) or "none"
        return self.page_below(
            request,
            endpoint,
            title="Custom headers",
            text=f"Headers of its own now: {names}. Their values are not shown again: enter all that it is to have.",
            form=form,
            button="Replace",
        )

    def _done(self, request: HttpRequest, form: forms.Form, field: str, act: Any) -> bool:
        try:
            act()
        except ValidationError as error:
            form.add_error(field if field in form.fields else None, error.messages)
            return False
        return True
