"""Publishing by hand: a form that checks itself while one types, a preview of who gets what, and then the event."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from dispatch.admin.links import address
from dispatch.models import Event
from dispatch.preview import Preview, preview
from dispatch.publish import MAX_IDEMPOTENCY_KEY_LENGTH, Published, PublishRefused, Wanted, publish_wanted
from subscriptions import patterns
from subscriptions.admin.base import RecordAdmin, actor_of
from subscriptions.admin.delivery_settings_form import WordsField
from subscriptions.admin.dressing import dress
from subscriptions.admin.endpoint_secrets import REVEAL
from subscriptions.admin.subscriber_select import SubscriberSelect
from subscriptions.models import EventType, Subscriber

# More names are typed, not chosen.
_TYPES_OFFERED = 1000
_ANY = "{}"


class PublishForm(forms.Form):
    """An event as it is published."""

    type = forms.CharField(
        label="Event type",
        max_length=patterns.MAX_LENGTH,
        widget=forms.TextInput(attrs={"list": "event-types", "autocomplete": "off"}),
    )
    subscriber = forms.ModelChoiceField(
        Subscriber.objects.all(),
        required=False,
        widget=SubscriberSelect(Event._meta.get_field("subscriber"), admin.site),
        help_text="Whom it is for. Empty: for all.",
    )
    data = forms.CharField(  # type: ignore[assignment]  # Django takes it off the class
        initial=_ANY,
        strip=False,
        help_text="JSON.",
        widget=forms.Textarea(attrs={"rows": 14, "class": "wd-json", "spellcheck": "false"}),
    )
    channels = WordsField(
        required=False, help_text="With spaces between them. Endpoints with channels get it if they name one of these."
    )
    ordering_key = forms.CharField(
        required=False,
        max_length=MAX_IDEMPOTENCY_KEY_LENGTH,
        help_text="Ordered endpoints get events with the same key one after another.",
    )
    deliver_after = forms.DateTimeField(
        label="Deliver after (UTC)",
        required=False,
        help_text="Nothing is sent before. Empty: at once.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    idempotency_key = forms.CharField(
        max_length=MAX_IDEMPOTENCY_KEY_LENGTH,
        help_text="Publishing again with the same key makes no second event, nor does a double click.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if settings.WEBHOOKS.enforce_event_types:
            self.fields["type"].widget = forms.Select(choices=[("", "")] + [(name, name) for name in offered_types()])

    def clean_data(self) -> Any:
        try:
            return json.loads(self.cleaned_data["data"])
        except ValueError as error:
            raise ValidationError(f"This is not JSON: {error}.") from error
        except RecursionError as error:
            raise ValidationError("This is nested too deep.") from error

    @property
    def wanted(self) -> Wanted:
        """What a valid form asks for."""
        values = self.cleaned_data
        return Wanted(
            values["type"],
            values["data"],
            subscriber=values["subscriber"],
            idempotency_key=values["idempotency_key"],
            deliver_after=values["deliver_after"],
            channels=tuple(values["channels"]),
            ordering_key=values["ordering_key"] or None,
        )


def offered_types() -> list[str]:
    """Name the stored event types that can be published."""
    return list(
        EventType.objects.filter(archived_at=None).order_by("name").values_list("name", flat=True)[:_TYPES_OFFERED]
    )


class PublishPages(RecordAdmin[Event]):
    """Has events published instead of added."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.check_draft)
        return [path("check/", view, name="dispatch_event_check"), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form, then the preview of what it asks for, and then publish that."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            given = {"type": request.GET.get("type", ""), "subscriber": request.GET.get("subscriber")}
            return self._form_page(request, PublishForm(initial=given | {"idempotency_key": _new_key()}))
        form = PublishForm(_with_key(request))
        if "_edit" in request.POST or not form.is_valid():
            return self._form_page(request, form)
        try:
            if "_publish" not in request.POST:
                return self._preview_page(request, form, self._preview(request, form.wanted))
            published = self._published(request, form.wanted)
        except PublishRefused as error:
            form.add_error(error.field, str(error))
            return self._form_page(request, form)
        if not published.created:
            self.message_user(request, "It was published before with this idempotency key.", messages.INFO)
        return HttpResponseRedirect(address(published.event))

    @method_decorator(require_POST)
    def check_draft(self, request: HttpRequest) -> HttpResponse:
        """Say what is wrong with the form as it stands, and what is known of the event type."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PublishForm(_with_key(request))
        problems, pretty = [], None
        if form.is_valid():
            pretty = json.dumps(form.cleaned_data["data"], ensure_ascii=False, indent=2)
            try:
                problems = _notes(preview(form.wanted, now=timezone.now(), signed_for=None))
            except PublishRefused as error:
                form.add_error(error.field, str(error))
        wrong = {str(form[name].label): errors[0] for name, errors in form.errors.items()}
        return JsonResponse(
            {"wrong": wrong, "notes": problems, "pretty": pretty, **_known_of(request.POST.get("type", "").strip())}
        )

    def _published(self, request: HttpRequest, wanted: Wanted) -> Published:
        with transaction.atomic():
            published = publish_wanted(wanted)
            if published.created:
                self.log_addition(request, published.event, [{"added": {}}])
        return published

    def _preview(self, request: HttpRequest, wanted: Wanted) -> Preview:
        may_see = request.user.has_perm(REVEAL)
        return preview(wanted, now=timezone.now(), signed_for=actor_of(request) if may_see else None)

    def _form_page(self, request: HttpRequest, form: PublishForm) -> HttpResponse:
        dress(form)
        more = ("channels", "ordering_key", "deliver_after", "idempotency_key")
        shown = {
            "title": "Publish an event",
            "form": form,
            "fields": [field for field in form if field.name not in more],
            "more_fields": [form[name] for name in more],
            "is_more_open": any(form[name].errors or form[name].value() for name in more[:-1]),
            "event_types": offered_types(),
            "check": reverse("admin:dispatch_event_check"),
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/dispatch/event/publish.html", self._context(request) | shown)

    def _preview_page(self, request: HttpRequest, form: PublishForm, seen: Preview) -> HttpResponse:
        shown = {
            "title": "Preview",
            "form": form,
            "seen": seen,
            "notes": _notes(seen),
            "may_see_signatures": request.user.has_perm(REVEAL),
        }
        return TemplateResponse(request, "admin/dispatch/event/preview.html", self._context(request) | shown)

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts}


def _with_key(request: HttpRequest) -> Any:
    """Return what was posted. Where the key was taken away there is a new one: a click is never two events."""
    posted = request.POST.copy()
    if not posted.get("idempotency_key", "").strip():
        posted["idempotency_key"] = _new_key()
    return posted


def _new_key() -> str:
    return f"admin-{secrets.token_hex(12)}"


def _notes(seen: Preview) -> list[str]:
    """Say what nobody has to mend, but may want to know."""
    notes = []
    if seen.matching == 0:
        notes.append("No endpoint gets it.")
    if seen.unfit:
        notes.append(f"The data does not fit the schema of {seen.event.type}, which is not enforced. {seen.unfit}")
    return notes


def _known_of(name: str) -> Mapping[str, Any]:
    """Say what data of a stored event type looks like."""
    known = EventType.objects.filter(name=name).first()
    return {
        "description": known.description if known else "",
        "example": _text(known.example) if known else None,
        "schema": _text(known.schema) if known else None,
    }


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, indent=2)
