from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from subscriptions import endpoint_urls, patterns, signing_secrets
from subscriptions.admin.base import PartInline, actor_of, is_id, moment
from subscriptions.admin.delivery_settings_form import DELIVERY_FIELDS, DELIVERY_FIELDSET, EndpointForm
from subscriptions.admin.endpoint_access import ACCESS_FIELDSET, AccessVerbs
from subscriptions.admin.endpoint_challenge import ChallengeVerbs
from subscriptions.admin.endpoint_secrets import KINDS, SigningSecretInline, show_new_secret
from subscriptions.admin.endpoint_tls import TlsInline, TlsPages
from subscriptions.admin.registering import RegisteringAdmin
from subscriptions.admin.removing import RemovingAdmin
from subscriptions.admin.signature_schemes_form import OWN_FIELDS, OWN_FIELDSET
from subscriptions.admin.subscriber_select import SubscriberSelect
from subscriptions.admin.typed import BaseInlineFormSet, ModelForm
from subscriptions.models import Endpoint, EventTypePattern
from subscriptions.models.flow_control import FLOW_FIELDS
from subscriptions.signing_secrets import Kind

FLOW_FIELDSET: tuple[str, Any] = ("Flow control", {"classes": ["collapse"], "fields": FLOW_FIELDS})


class NewEndpointForm(EndpointForm):
    event_types = forms.CharField(
        initial=patterns.ALL,
        help_text="Names (invoice.paid), names with a trailing wildcard (invoice.*) or * for all, "
        "with spaces between them.",
    )
    secret = forms.CharField(
        label="Signing secret",
        required=False,
        max_length=signing_secrets.MAX_CHARACTERS,
        strip=False,
        help_text="Only if the receiver has one already. Empty: a new one is made.",
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )
    secret_kind = forms.TypedChoiceField(
        label="Kind of a new secret",
        required=False,
        choices=KINDS,
        empty_value=None,
        coerce=Kind,
        help_text="ed25519 goes with Standard Webhooks only.",
    )

    class Meta:
        model = Endpoint
        fields = ["subscriber", "url", "description", "signature_schemes", *DELIVERY_FIELDS, *FLOW_FIELDS]
        widgets = {"subscriber": SubscriberSelect(Endpoint._meta.get_field("subscriber"), admin.site)}

    def clean_event_types(self) -> list[str]:
        return str(self.cleaned_data["event_types"]).replace(",", " ").split()

    def clean_secret(self) -> str | None:
        return self.cleaned_data["secret"] or None

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        # Which kind an imported secret is, it says itself.
        return values | {"secret_kind": None} if values.get("secret") else values


class EventTypePatterns(BaseInlineFormSet[EventTypePattern, Endpoint, Any]):
    """Tells of an event type that the endpoint has already: somebody else may have added it since the page was opened.

    Whoever saves has locked the endpoint, so nobody adds it between this and the INSERT.
    """

    def clean(self) -> None:
        super().clean()
        deleted = {form.instance.pk for form in self.deleted_forms}
        stored = {row.pattern: row.pk for row in self.instance.event_type_patterns.exclude(pk__in=deleted)}
        for form in self.forms:
            pattern = form.cleaned_data.get("pattern") if form not in self.deleted_forms else None
            if pattern and stored.get(pattern, form.instance.pk) != form.instance.pk:
                form.add_error("pattern", f"The endpoint has {pattern} already. Load the page again to see it.")


class EventTypePatternInline(PartInline[EventTypePattern, Endpoint]):
    model = EventTypePattern
    formset = EventTypePatterns
    verbose_name = "event type"
    verbose_name_plural = "event types"
    min_num = 1

    def get_formset(self, request: HttpRequest, obj: Endpoint | None = None, **options: Any) -> Any:
        return super().get_formset(request, obj, validate_min=True, **options)


@admin.register(Endpoint)
class EndpointAdmin(RegisteringAdmin[Endpoint], RemovingAdmin[Endpoint], AccessVerbs, TlsPages, ChallengeVerbs):
    form = EndpointForm
    list_display = ["short_url", "subscriber", "description", "state", "certificates_end", moment("created_at")]
    list_filter = ["state", "created_at"]
    list_select_related = ["subscriber"]
    search_fields = ["url", "description", "subscriber__name", "subscriber__uid"]
    search_help_text = "URL, description, name, uid or id of its subscriber, or its id."
    id_lookups = {"ep": "pk", "sub": "subscriber"}
    fieldsets = [
        (None, {"fields": ["id", "subscriber", "url", "description", "signature_schemes"]}),
        OWN_FIELDSET,
        DELIVERY_FIELDSET,
        ACCESS_FIELDSET,
        FLOW_FIELDSET,
        ("State", {"fields": ["state", "state_reason", moment("state_changed_at"), moment("created_at")]}),
    ]
    readonly_fields = [
        "id",
        "subscriber",
        "state",
        "state_reason",
        moment("state_changed_at"),
        moment("created_at"),
        *ACCESS_FIELDSET[1]["fields"],
    ]
    inlines = [EventTypePatternInline, SigningSecretInline, TlsInline]
    actions = ["challenge"]
    add_form = NewEndpointForm
    add_fields = [
        "subscriber",
        "url",
        "description",
        "event_types",
        "signature_schemes",
        "secret",
        "secret_kind",
        *OWN_FIELDS,
        *DELIVERY_FIELDS,
        *FLOW_FIELDS,
    ]
    add_fieldsets = [
        (None, {"fields": add_fields[: add_fields.index(OWN_FIELDS[0])]}),
        OWN_FIELDSET,
        DELIVERY_FIELDSET,
        FLOW_FIELDSET,
    ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method != "POST" or object_id is None or not is_id("ep", unquote(object_id)):
            return super().changeform_view(request, object_id, form_url, extra_context)
        with transaction.atomic():
            # What the form is checked against stays as it is until it is saved: secrets, event types, the URL.
            Endpoint.objects.select_for_update().filter(pk=unquote(object_id)).first()
            return super().changeform_view(request, object_id, form_url, extra_context)

    @admin.display(description="URL", ordering="url")
    def short_url(self, endpoint: Endpoint) -> str:
        # The whole is on its page: it may be a credential, and lists are seen by many.
        return endpoint_urls.shortened(endpoint.url)

    def register(self, request: HttpRequest, values: dict[str, Any]) -> Endpoint:
        endpoint, secret = Endpoint.objects.register(**values, by=actor_of(request))
        show_new_secret(request, secret)
        _warn(request, endpoint)
        return endpoint

    def remove(self, request: HttpRequest, row: Endpoint) -> None:
        row.remove(now=timezone.now(), by=actor_of(request))

    def save_model(self, request: HttpRequest, obj: Endpoint, form: ModelForm[Endpoint], change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "url" in form.changed_data:
            obj.note_new_url(now=timezone.now())
        _warn(request, obj)


def _warn(request: HttpRequest, endpoint: Endpoint) -> None:
    for warning in endpoint.schemes.warnings:
        messages.warning(request, warning)
