"""Certificates of an endpoint's own: what its page shows of them, and the page that changes them."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from subscriptions.admin.base import PartInline, ReadOnly, actor_of
from subscriptions.admin.endpoint_secrets import SecretVerbs
from subscriptions.certificates import MAX_CHARACTERS
from subscriptions.models import Endpoint, EndpointTls

_NAME = "subscriptions_endpoint_tls"


class _PemArea(forms.Textarea):
    """Is shown empty, also after a mistake: no page repeats a key."""

    def __init__(self) -> None:
        super().__init__({"class": "vLargeTextField", "rows": 6, "autocomplete": "off", "spellcheck": "false"})

    def format_value(self, value: Any) -> None:
        return None


def _pem(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(
        label=label, help_text=help_text, required=False, max_length=MAX_CHARACTERS, widget=_PemArea()
    )


class TlsForm(forms.Form):
    ca_certificate = _pem(
        "CA certificate",
        "PEM. Only what it signed is trusted then, and no well-known authority. Empty: it stays as it is.",
    )
    remove_ca = forms.BooleanField(label="Remove it, and trust the well-known authorities", required=False)
    client_certificate = _pem(
        "Client certificate",
        "PEM, with what issued it after it. It is shown to receivers that ask for one. Empty: it stays as it is.",
    )
    client_key = _pem("Its private key", "PEM, without a passphrase. It is stored encrypted and never shown again.")
    remove_client = forms.BooleanField(label="Remove certificate and key", required=False)

    def given(self) -> dict[str, str]:
        """Return what is to change, by field of the model."""
        values = self.cleaned_data
        named = {name: values[name] for name in ("client_certificate", "client_key")}
        client = named if any(named.values()) or values["remove_client"] else {}
        is_ca_meant = values["ca_certificate"] or values["remove_ca"]
        return client | ({"ca_certificate": values["ca_certificate"]} if is_ca_meant else {})

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("remove_ca") and values.get("ca_certificate"):
            self.add_error("remove_ca", "Either remove it or give another one.")
        if values.get("remove_client") and (values.get("client_certificate") or values.get("client_key")):
            self.add_error("remove_client", "Either remove them or give others.")
        return values


class TlsInline(ReadOnly, PartInline[EndpointTls, Endpoint]):
    """Whose certificates they are, and until when."""

    model = EndpointTls
    fields: ClassVar[Any] = ["ca_subject", "ca_ends", "client_subject", "client_ends"]
    readonly_fields = fields
    can_delete = False
    verbose_name_plural = "TLS settings"

    @admin.display(description="CA certificate ends")
    def ca_ends(self, row: EndpointTls) -> SafeString | str:
        return _end(row.ca_expires_at)

    @admin.display(description="client certificate ends")
    def client_ends(self, row: EndpointTls) -> SafeString | str:
        return _end(row.client_expires_at)


class TlsPages(SecretVerbs):
    """Adds to the admin of endpoints: the page, a column, and warnings above an endpoint's page."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        ends = {"tls_ca_ends": F("tls__ca_expires_at"), "tls_client_ends": F("tls__client_expires_at")}
        return super().get_queryset(request).annotate(**ends)

    @admin.display(description="certificates end")
    def certificates_end(self, endpoint: Endpoint) -> SafeString | str:
        ends = [getattr(endpoint, name, None) for name in ("tls_ca_ends", "tls_client_ends")]
        return _end(min((each for each in ends if each is not None), default=None))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.change_tls)
        return [path("<path:object_id>/tls/", view, name=_NAME), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        endpoint = self.get_object(request, unquote(object_id)) if request.method == "GET" else None
        if endpoint is not None and self.has_view_or_change_permission(request, endpoint):
            for tls in EndpointTls.objects.filter(endpoint=endpoint):
                for warning in tls.warnings(timezone.now()):
                    messages.warning(request, warning)
        return super().change_view(request, object_id, form_url, extra_context)

    def change_tls(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.endpoint_to_change(request, object_id)
        form = TlsForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            given = form.given()
            try:
                if given:
                    endpoint.set_tls(given, by=actor_of(request))
            except ValidationError as error:
                form.add_error(None, error)
            else:
                if given:
                    self.log_change(request, endpoint, "Changed its TLS settings.")
                    self.message_user(request, "The TLS settings were changed.", messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:subscriptions_endpoint_change", args=[quote(endpoint.pk)]))
        return self.page_below(
            request,
            endpoint,
            title="Change TLS settings",
            form=form,
            text="For receivers whose certificate no well-known authority signed, or that ask for a certificate. "
            + _as_it_is(EndpointTls.objects.filter(endpoint=endpoint).first()),
            button="Save",
        )


def _as_it_is(tls: EndpointTls | None) -> str:
    """Say what an endpoint has now."""
    trusted = f"{tls.ca_subject}, until {tls.ca_expires_at:%Y-%m-%d}" if tls and tls.ca_certificate else ""
    shown = f"{tls.client_subject}, until {tls.client_expires_at:%Y-%m-%d}" if tls and tls.client_certificate else ""
    return f"Now it trusts {trusted or 'the well-known authorities'}, and shows {shown or 'no certificate'}."


def _end(moment: Any) -> SafeString | str:
    """Show a date, marked when it is near."""
    if moment is None:
        return "-"
    now = timezone.now()
    shown = f"{moment:%Y-%m-%d}"
    if moment <= now:
        return format_html("<strong>{} (expired)</strong>", shown)
    days = (moment - now).days
    return format_html("<strong>{} (in {} days)</strong>", shown, days) if days < 14 else shown
