"""Many deliveries or endpoints at once: what a list shows is moved in the background, and one watches it go."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from dispatch import bulk
from dispatch.admin import bulk_filters
from dispatch.admin.bulk_filters import CannotBeMeant
from dispatch.admin.links import address
from dispatch.models import BulkAction, BulkJob, BulkStatus
from subscriptions.admin.base import ReadOnly, RecordAdmin, actor_of, moment
from subscriptions.models import Endpoint
from subscriptions.models.endpoint_moves import done
from subscriptions.statement_limit import TookTooLong, at_most

_PERMISSION_OF_DELIVERIES = "dispatch.change_delivery"
_PERMISSION_OF_ENDPOINTS = "subscriptions.change_endpoint"
_MEANT = {
    BulkAction.RETRY: "Those that failed are meant, unless the list is filtered by another status; what was delivered "
    "never is.",
    BulkAction.CANCEL: "Only pending ones are meant; what is being sent is not.",
    BulkAction.PAUSE: "What is published for them waits until they are resumed.",
    BulkAction.RESUME: "What waits for them goes out, as their limits allow. One that owes an answer to its challenge "
    "is challenged first.",
    BulkAction.ENABLE: "They get events again. What was cancelled while they were disabled stays cancelled.",
    BulkAction.DISABLE: "They get no events any more, and what waits for them is cancelled, unless an endpoint is set "
    "to keep it.",
}


@admin.register(BulkJob)
class BulkJobAdmin(ReadOnly, RecordAdmin[BulkJob]):
    """Jobs, which are asked for from lists of deliveries and endpoints. Nobody changes or deletes them here."""

    list_display = [moment("created_at"), "action", "status", "changed", "failed", "total", "asked_by"]
    list_filter = ["status", "action"]
    search_fields = ["asked_by"]
    id_lookups = {"job": "pk"}
    readonly_fields = ["id", "action", "meant", "asked_by", "asked_from", moment("created_at"), moment("finished_at")]
    fields = [*readonly_fields]
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
        shown_too = dict(extra_context or {})
        if (job := self.get_object(request, unquote(object_id))) is not None:
            shown_too |= {"may_stop": request.user.has_perm(_permission(job)), "noun": _noun(job, job.total)}
        return super().change_view(request, object_id, form_url, shown_too)

    @admin.display(description="which were meant")
    def meant(self, job: BulkJob) -> SafeString:
        rows = bulk_filters.shown(job.filters) or [("all", "there were")]
        return format_html_join("", "<div>{}: {}</div>", rows)

    def ask(self, request: HttpRequest, action: str) -> HttpResponse:
        """Show how many are meant, and on POST begin."""
        if action not in BulkAction:
            raise Http404
        wanted = BulkAction(action)
        if not request.user.has_perm(_permission(wanted)):
            raise PermissionDenied
        listed = "dispatch_delivery" if wanted.move is None else "subscriptions_endpoint"
        back = f"{reverse(f'admin:{listed}_changelist')}?{request.GET.urlencode()}"
        try:
            filters = self._filters(request, wanted)
            with at_most(settings.WEBHOOKS.list_timeout):
                count = bulk.count(wanted, filters)
                others = bulk.count_others(wanted, filters)
        except CannotBeMeant as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(back)
        except TookTooLong:
            self.message_user(
                request, "Counting these takes too long: narrow the list by time or endpoint.", messages.ERROR
            )
            return HttpResponseRedirect(back)
        noun = _noun(wanted, count)
        if request.method == "POST":
            job = bulk.ask(wanted, filters, by=actor_of(request))
            self.log_addition(request, job, f"{wanted.label} {job.total} {noun}.")
            return HttpResponseRedirect(address(job))
        shown = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{wanted.label} many {_noun(wanted, 2)}",
            "wanted": wanted,
            "done": _done(wanted),
            "count": count,
            "noun": noun,
            "others": others,
            "meant": _MEANT[wanted],
            "filters": bulk_filters.shown(filters),
            "back": back,
        }
        return TemplateResponse(request, "admin/dispatch/bulkjob/ask.html", shown)

    def _filters(self, request: HttpRequest, wanted: BulkAction) -> dict[str, Any]:
        if wanted.move is None:
            return bulk_filters.of_deliveries(request.GET)
        listed = self.admin_site.get_model_admin(Endpoint)

        def search(text: str) -> QuerySet[Endpoint]:
            return listed.get_search_results(request, Endpoint.objects.all(), text)[0]

        return bulk_filters.of_endpoints(request.GET, search)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        shown = {name: getattr(job, name) for name in ("status", "total", "passed", "changed", "failed")}
        return JsonResponse(shown | {"is_over": job.status != BulkStatus.RUNNING})

    @method_decorator(require_POST)
    def stop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        if not request.user.has_perm(_permission(job)):
            raise PermissionDenied
        if bulk.stop(job, now=timezone.now()):
            self.log_change(request, job, "Stopped.")
        return HttpResponseRedirect(reverse("admin:dispatch_bulkjob_change", args=[quote(job.pk)]))


def _permission(wanted: BulkAction | BulkJob) -> str:
    return _PERMISSION_OF_DELIVERIES if _action(wanted).move is None else _PERMISSION_OF_ENDPOINTS


def _noun(wanted: BulkAction | BulkJob, count: int) -> str:
    if _action(wanted).move is None:
        return "delivery" if count == 1 else "deliveries"
    return "endpoint" if count == 1 else "endpoints"


def _done(wanted: BulkAction) -> str:
    if wanted.move is not None:
        return done(wanted.move)
    return "retried" if wanted is BulkAction.RETRY else "cancelled"


def _action(wanted: BulkAction | BulkJob) -> BulkAction:
    return BulkAction(wanted.action) if isinstance(wanted, BulkJob) else wanted
