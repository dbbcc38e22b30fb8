"""Many endpoints paused, resumed, enabled or disabled from their list. Each leads to a page that asks first."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from dispatch.admin.filters import Period, subscriber
from dispatch.models import BulkAction
from subscriptions.admin.endpoint import EndpointAdmin
from subscriptions.models import Endpoint


class MovesMany(EndpointAdmin):
    """Adds to the list of endpoints its filters, and what is done with many of them."""

    list_filter = ["state", Period, subscriber("subscriber")]
    list_filter_submit = True
    list_before_template = "admin/dispatch/endpoint/bulk_buttons.html"
    actions = ["pause_chosen", "resume_chosen", "enable_chosen", "disable_chosen", "challenge"]

    @admin.action(description="Pause: deliveries wait", permissions=["change"])
    def pause_chosen(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse:
        return _ask(request, BulkAction.PAUSE, queryset)

    @admin.action(description="Resume: deliveries go out again", permissions=["change"])
    def resume_chosen(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse:
        return _ask(request, BulkAction.RESUME, queryset)

    @admin.action(description="Enable: they get events again", permissions=["change"])
    def enable_chosen(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse:
        return _ask(request, BulkAction.ENABLE, queryset)

    @admin.action(description="Disable: deliveries are cancelled", permissions=["change"])
    def disable_chosen(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse:
        return _ask(request, BulkAction.DISABLE, queryset)


def _ask(request: HttpRequest, action: BulkAction, chosen: QuerySet[Endpoint]) -> HttpResponse:
    """Lead to the question whether that is meant: with what the list shows, or with the rows that were ticked."""
    is_all = request.POST.get("select_across") == "1"
    query = request.GET.urlencode() if is_all else urlencode({"chosen": ",".join(chosen.values_list("pk", flat=True))})
    return HttpResponseRedirect(f"{reverse('admin:dispatch_bulkjob_ask', args=[action.value])}?{query}")
