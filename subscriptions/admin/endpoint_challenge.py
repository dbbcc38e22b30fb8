"""The ownership challenge on an endpoint's pages: what became of it, and asking for it again."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from subscriptions.admin.base import RecordAdmin, actor_of, moment
from subscriptions.models import Endpoint

_NAME = "subscriptions_endpoint_challenge"
_FIELDS = [
    moment("verified_at"),
    "challenge_tries",
    moment("challenge_tried_at"),
    "last_outcome",
    "challenge_error",
    moment("next_challenge_at"),
]


class ChallengeVerbs(RecordAdmin[Endpoint]):
    """Adds the page, the action and the fields to the admin of endpoints."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.challenge_endpoint)
        return [path("<path:object_id>/challenge/", view, name=_NAME), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not obj.is_challenged:
            return fieldsets
        return [*fieldsets, ("Ownership challenge", {"fields": _FIELDS})]

    def get_readonly_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:
        return [] if obj is None else [*super().get_readonly_fields(request, obj), *_FIELDS]

    @admin.display(description="outcome")
    def last_outcome(self, endpoint: Endpoint) -> str:
        if endpoint.challenge_nonce_hash:
            return "A challenge is under way. Reload this page to see what comes of it."
        return endpoint.challenge_outcome.replace("_", " ").capitalize() or "None was sent yet."

    @admin.action(description="Challenge again: for unverified endpoints", permissions=["change"])
    def challenge(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        asked = 0
        for endpoint in queryset:
            asked += self._ask(request, endpoint)
        if asked:
            self.message_user(request, f"Challenges asked for: {asked}.", messages.SUCCESS)

    def challenge_endpoint(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.get_object(request, unquote(object_id))
        if endpoint is None:
            raise Http404
        if not self.has_change_permission(request, endpoint):
            raise PermissionDenied
        back = reverse("admin:subscriptions_endpoint_change", args=[quote(endpoint.pk)])
        if request.method == "POST":
            if self._ask(request, endpoint):
                text = "The challenge is being sent. Reload this page to see what comes of it."
                self.message_user(request, text, messages.SUCCESS)
            return HttpResponseRedirect(back)
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "endpoint": endpoint,
            "back": back,
            "media": self.media,
            "title": "Challenge again",
            "text": "A signed challenge is sent to this URL at once, and again by the schedule if it is not answered. "
            "With the right answer the endpoint becomes active.",
            "button": "Challenge",
        }
        return TemplateResponse(request, "admin/subscriptions/endpoint/secret.html", page)

    def _ask(self, request: HttpRequest, endpoint: Endpoint) -> bool:
        try:
            endpoint.ask_for_challenge(now=timezone.now(), by=actor_of(request))
        except ValidationError as error:
            self.message_user(request, f"{endpoint}: {error.messages[0]}", messages.ERROR)
            return False
        self.log_change(request, endpoint, "Asked for its ownership challenge.")
        return True
