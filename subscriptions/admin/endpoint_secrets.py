"""Pages below an endpoint's page: rotate its signing secret, reveal one, let one expire."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from subscriptions import signing_secrets
from subscriptions.admin.base import PartInline, ReadOnly, RecordAdmin, actor_of, is_id, moment, show_once
from subscriptions.admin.dressing import dress
from subscriptions.admin.password import PasswordForm, was_given_lately
from subscriptions.endpoint_urls import shortened
from subscriptions.models import Endpoint, SigningSecret
from subscriptions.models.signing_secret import DEFAULT_OVERLAP, MAX_OVERLAP
from subscriptions.signing_secrets import Kind

REVEAL = "subscriptions.reveal_signingsecret"
_HOUR = timedelta(hours=1)
KINDS = [(Kind.SHARED, "Shared with the receiver (whsec_…)"), (Kind.ED25519, "ed25519 key pair (whsk_…, whpk_…)")]


class RotationForm(forms.Form):
    overlap = forms.IntegerField(
        label="Overlap in hours",
        initial=int(DEFAULT_OVERLAP / _HOUR),
        min_value=0,
        max_value=int(MAX_OVERLAP / _HOUR),
        help_text=f"How long the old secret signs too, at most {int(MAX_OVERLAP / _HOUR)}. 0: it ends at once.",
    )
    secret_kind = forms.TypedChoiceField(
        label="Kind of the new secret",
        required=False,
        choices=[("", "As the newest is"), *KINDS],
        empty_value=None,
        coerce=Kind,
    )
    secret = forms.CharField(
        label="Or import a secret",
        required=False,
        empty_value=None,
        strip=False,
        max_length=signing_secrets.MAX_CHARACTERS,
        help_text="Only if the receiver has one already. Empty: a new one is made.",
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )


def show_new_secret(request: HttpRequest, secret: SigningSecret) -> None:
    """Show above the next page what the receiver needs of a new secret."""
    if secret.public_key is None and not request.user.has_perm(REVEAL):
        messages.success(
            request, f"{shortened(secret.endpoint.url)} has a new signing secret. Administrators can see it."
        )
    elif secret.public_key is None:
        show_once(request, f"The signing secret of {shortened(secret.endpoint.url)}", secret.value)
    else:
        url = shortened(secret.endpoint.url)
        text = format_html("The public key of {}: <code>{}</code>", url, secret.public_key)
        messages.success(request, text)


class SigningSecretInline(ReadOnly, PartInline[SigningSecret, Endpoint]):
    """The secrets, with what can be done with each. Django writes each one's masked form above its row."""

    model = SigningSecret
    fields: ClassVar[Any] = ["kind", "public_key", moment("created_at"), moment("expires_at"), "verbs"]
    readonly_fields = fields
    ordering = ["-id"]
    can_delete = False
    show_change_link = False

    @admin.display
    def kind(self, row: SigningSecret) -> str:
        return row.kind.value

    @admin.display(description="public key")
    def public_key(self, row: SigningSecret) -> SafeString | str:
        return format_html("<code>{}</code>", row.public_key) if row.public_key else "-"

    @admin.display(description="")
    def verbs(self, row: SigningSecret) -> SafeString:
        reveal = _verb("reveal", row)
        return format_html("{}&nbsp;&nbsp;{}", reveal, _verb("expire", row)) if row.is_valid(timezone.now()) else reveal


class SecretVerbs(RecordAdmin[Endpoint]):
    """Adds the pages to the admin of endpoints."""

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(f"<path:object_id>/{route}", self.admin_site.admin_view(view), name=_name(verb))
            for verb, route, view in (
                ("rotate", "rotate-secret/", self.rotate_secret),
                ("reveal", "secrets/<str:secret_id>/reveal/", self.reveal_secret),
                ("expire", "secrets/<str:secret_id>/expire/", self.expire_secret),
            )
        ]
        return [*pages, *super().get_urls()]

    def rotate_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self._endpoint_of_secrets(request, object_id)
        form = RotationForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                secret = SigningSecret.objects.rotate(
                    endpoint,
                    now=timezone.now(),
                    by=actor_of(request),
                    overlap=form.cleaned_data["overlap"] * _HOUR,
                    secret_kind=form.cleaned_data["secret_kind"],
                    text=form.cleaned_data["secret"],
                )
            except ValidationError as error:
                form.add_error(None, error)
            else:
                self.log_change(request, endpoint, "Rotated its signing secret.")
                show_new_secret(request, secret)
                return back_to(endpoint)
        return self.page_below(
            request,
            endpoint,
            title="Rotate the signing secret",
            form=form,
            text="The endpoint gets a new secret. Until the overlap ends, requests carry the signatures of both; "
            "schemes with room for one signature only use the new secret at once.",
            button="Rotate",
        )

    def reveal_secret(self, request: HttpRequest, object_id: str, secret_id: str) -> HttpResponse:
        endpoint = self._endpoint_of_secrets(request, object_id)
        secret = _secret(endpoint, secret_id)
        form = None if was_given_lately(request) else PasswordForm(request)
        may_see = request.method == "POST" and (form is None or form.is_valid())
        revealed = secret.reveal(by=actor_of(request)) if may_see else None
        return self.page_below(
            request,
            endpoint,
            title="Reveal a signing secret",
            text=f"The secret {secret.masked} ({secret.id}). That you saw it, and when, is written down.",
            revealed=revealed,
            form=None if may_see else form,
            button=None if revealed else "Reveal",
        )

    def expire_secret(self, request: HttpRequest, object_id: str, secret_id: str) -> HttpResponse:
        endpoint = self._endpoint_of_secrets(request, object_id)
        secret = _secret(endpoint, secret_id)
        if request.method == "POST":
            try:
                secret.expire(now=timezone.now(), by=actor_of(request))
            except ValidationError as error:
                self.message_user(request, " ".join(error.messages), messages.ERROR)
            else:
                self.log_change(request, endpoint, "Let a signing secret expire.")
                self.message_user(request, f"The secret {secret.masked} signs no more.", messages.SUCCESS)
            return back_to(endpoint)
        return self.page_below(
            request,
            endpoint,
            title="Let a signing secret expire",
            text=f"The secret {secret.masked} ({secret.id}) signs no more from now on. Receivers that know only this "
            "one refuse what they get.",
            button="Expire",
        )

    def endpoint_to_change(self, request: HttpRequest, object_id: str) -> Endpoint:
        """Return the endpoint of a page. Raises `Http404` and `PermissionDenied`."""
        endpoint = self.get_object(request, unquote(object_id))
        if endpoint is None:
            raise Http404
        if not self.has_change_permission(request, endpoint):
            raise PermissionDenied
        return endpoint

    def _endpoint_of_secrets(self, request: HttpRequest, object_id: str) -> Endpoint:
        endpoint = self.endpoint_to_change(request, object_id)
        if not request.user.has_perm(REVEAL):
            raise PermissionDenied
        return endpoint

    def page_below(self, request: HttpRequest, endpoint: Endpoint, **context: Any) -> HttpResponse:
        """Show a page with a title, a text and a form."""
        if form := context.get("form"):
            dress(form)
        known = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "endpoint": endpoint,
            "short_url": shortened(endpoint.url),
            "back": _change_page(endpoint),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/subscriptions/endpoint/secret.html", known | context)


def _secret(endpoint: Endpoint, secret_id: str) -> SigningSecret:
    if not is_id("sec", secret_id):
        raise Http404
    return get_object_or_404(endpoint.signing_secrets, pk=secret_id)


def _name(verb: str) -> str:
    return f"subscriptions_endpoint_{verb}_secret"


def _verb(verb: str, row: SigningSecret) -> SafeString:
    address = _address(verb, row.endpoint_id, row.id)
    return format_html('<a class="wd-link" href="{}">{}</a>', address, verb.capitalize())


def _address(verb: str, endpoint_id: str, secret_id: str) -> str:
    return reverse(f"admin:{_name(verb)}", args=[quote(endpoint_id), secret_id])


def _change_page(endpoint: Endpoint) -> str:
    return reverse("admin:subscriptions_endpoint_change", args=[quote(endpoint.pk)])


def back_to(endpoint: Endpoint) -> HttpResponse:
    """Lead back to the endpoint's page."""
    return HttpResponseRedirect(_change_page(endpoint))
