"""Many deliveries at once: what a list shows is retried or cancelled in the background, and one watches it go."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from dispatch import bulk
from dispatch.admin.filters import PERIODS
from dispatch.admin.links import address
from dispatch.models import BulkAction, BulkJob, BulkStatus
from subscriptions.admin.base import ReadOnly, RecordAdmin, actor_of, is_id, moment
from subscriptions.models import Subscriber
from subscriptions.statement_limit import TookTooLong, at_most

CHANGE = "dispatch.change_delivery"


class CannotBeMeant(Exception):
    """A list shows what no job can mean. The message says why."""


def filters_of(query: QueryDict) -> dict[str, Any]:
    """Read the filters of the list of deliveries as a job takes them. Raises `CannotBeMeant`."""
    found: dict[str, Any] = {}
    for name, value in query.items():
        text = str(value).strip()
        if not text:
            continue
        match name:
            case "status__exact" | "last_outcome__exact":
                found["status" if name == "status__exact" else "outcome"] = text
            case "event_type":
                found["event_type"] = text
            case "period" if text in PERIODS:
                found["created_after"] = timezone.now() - PERIODS[text][1]
            case "code" if text in ("2", "3", "4", "5"):
                found["response_class"] = f"{text}xx"
            case "endpoint" if is_id("ep", text):
                found["endpoint"] = text
            case "subscriber" if subscriber := Subscriber.objects.find(text):
                found["subscriber"] = subscriber
            case "q" if is_id("evt", text):
                found["event"] = text
            case "before" | "after":
                pass
            case _:
                raise CannotBeMeant(f"The list is narrowed by {name}={text}, which this cannot do. Take that away.")
    return found


@admin.register(BulkJob)
class BulkJobAdmin(ReadOnly, RecordAdmin[BulkJob]):
    """Jobs, which are asked for from the list of deliveries. Nobody changes or deletes them here."""

    list_display = [moment("created_at"), "action", "status", "changed", "total", "asked_by"]
    list_filter = ["status", "action"]
    search_fields = ["asked_by"]
    id_lookups = {"job": "pk"}
    fields = ["id", "action", "filters", "asked_by", moment("created_at"), moment("finished_at")]
    change_form_template = "admin/dispatch/bulkjob/change_form.html"

    def has_delete_permission(self, request: HttpRequest, obj: BulkJob | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path("ask/<str:action>/", self.admin_site.admin_view(self.ask), name="dispatch_bulkjob_ask"),
            path(
                "<path:object_id>/progress/",
                self.admin_site.admin_view(self.progress),
                name="dispatch_bulkjob_progress",
            ),
            path("<path:object_id>/stop/", self.admin_site.admin_view(self.stop), name="dispatch_bulkjob_stop"),
        ]
        return [*pages, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = dict(extra_context or {}) | {"may_stop": request.user.has_perm(CHANGE)}
        return super().change_view(request, object_id, form_url, shown)

    def ask(self, request: HttpRequest, action: str) -> HttpResponse:
        """Show how many are meant, and on POST begin."""
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        if action not in BulkAction:
            raise Http404
        wanted = BulkAction(action)
        back = f"{reverse('admin:dispatch_delivery_changelist')}?{request.GET.urlencode()}"
        try:
            filters = filters_of(request.GET)
            with at_most(settings.WEBHOOKS.list_timeout):
                count = bulk.count(wanted, filters)
        except CannotBeMeant as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(back)
        except TookTooLong:
            self.message_user(
                request, "Counting these takes too long: narrow the list by time or endpoint.", messages.ERROR
            )
            return HttpResponseRedirect(back)
        if request.method == "POST":
            job = bulk.ask(wanted, filters, by=actor_of(request).name)
            self.log_addition(request, job, f"{wanted.label} of {job.total} deliveries.")
            return HttpResponseRedirect(address(job))
        shown = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{wanted.label} many deliveries",
            "wanted": wanted,
            "count": count,
            "filters": _shown(filters),
            "back": back,
        }
        return TemplateResponse(request, "admin/dispatch/bulkjob/ask.html", shown)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        shown = {name: getattr(job, name) for name in ("status", "total", "passed", "changed")}
        return JsonResponse(shown | {"is_over": job.status != BulkStatus.RUNNING})

    @method_decorator(require_POST)
    def stop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        if bulk.stop(job, now=timezone.now()):
            self.log_change(request, job, "Stopped.")
        return HttpResponseRedirect(reverse("admin:dispatch_bulkjob_change", args=[quote(job.pk)]))


def _shown(filters: Mapping[str, Any]) -> list[tuple[str, str]]:
    texts = {
        name: f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)
        for name, value in filters.items()
    }
    return [(name.replace("_", " "), text) for name, text in texts.items()]
