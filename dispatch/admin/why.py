"""Why an event was or was not sent to an endpoint: a page below the event's page."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from dispatch.admin.links import address
from dispatch.models import Event
from dispatch.why import why
from subscriptions.admin.base import RecordAdmin
from subscriptions.admin.dressing import dress
from subscriptions.models import Endpoint

_NAME = "dispatch_event_why"


class WhyForm(forms.Form):
    endpoint = forms.CharField(
        label="Id of the endpoint", strip=True, help_text="It stands on the endpoint's page, and begins with ep_."
    )

    def clean_endpoint(self) -> Endpoint:
        text = self.cleaned_data["endpoint"]
        try:
            return Endpoint.objects.get(pk=text)
        except (Endpoint.DoesNotExist, ValidationError) as error:
            raise ValidationError(f"There is no endpoint {text!r}.") from error


class WhyPage(RecordAdmin[Event]):
    """Adds the page, and a field that leads to it, to the admin of events."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("<path:object_id>/why/", self.admin_site.admin_view(self.ask_why), name=_NAME),
            *super().get_urls(),
        ]

    @admin.display(description="Why?")
    def why(self, event: Event) -> str:
        page = reverse(f"admin:{_NAME}", args=[quote(event.pk)])
        return format_html('<a class="wd-link" href="{}">Why was it sent, or not sent, to an endpoint?</a>', page)

    def ask_why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for an endpoint, and answer."""
        event = self.get_object(request, unquote(object_id))
        if event is None:
            raise Http404(f"There is no event {object_id!r}.")
        if not self.has_view_permission(request, event):
            raise PermissionDenied
        form = WhyForm(request.GET if "endpoint" in request.GET else None)
        page: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Why?",
            "event": event,
            "form": form,
            "back": address(event),
        }
        dress(form)
        if form.is_valid():
            endpoint = form.cleaned_data["endpoint"]
            answer = why(event, endpoint, now=timezone.now())
            page |= {"answer": answer, "endpoint": endpoint, "endpoint_url": address(endpoint)}
            if answer.delivery is not None:
                page["delivery_url"] = address(answer.delivery)
        return TemplateResponse(request, "admin/dispatch/event/why.html", page)
