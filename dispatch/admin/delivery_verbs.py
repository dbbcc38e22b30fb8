"""What can be done with one delivery on its page."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from dispatch import asking
from dispatch.admin import delivery_page
from dispatch.models import Delivery
from subscriptions.admin.base import RecordAdmin, actor_of

CHANGE = "dispatch.change_delivery"


class DeliveryVerbs(RecordAdmin[Delivery]):
    """Adds to the admin of deliveries: state and timeline above the page, retry and cancel."""

    def get_urls(self) -> list[URLPattern]:
        verbs = (("retry", self.retry), ("cancel", self.cancel))
        pages = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"dispatch_delivery_{name}")
            for name, view in verbs
        ]
        return [*pages, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = dict(extra_context or {})
        delivery = Delivery.objects.select_related("event", "endpoint").filter(pk=unquote(object_id)).first()
        if delivery is not None and self.has_view_permission(request, delivery):
            may_change = request.user.has_perm(CHANGE)
            shown |= delivery_page.context(delivery, timezone.now(), may_change=may_change)
        return super().change_view(request, object_id, form_url, shown)

    @method_decorator(require_POST)
    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(delivery: Delivery) -> None:
            asking.retry(delivery, now=timezone.now())

        return self._do(request, object_id, act, "It goes out as soon as it is its endpoint's turn.", "Retried.")

    @method_decorator(require_POST)
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(delivery: Delivery) -> None:
            asking.cancel(delivery, by=actor_of(request).name, now=timezone.now())

        return self._do(request, object_id, act, "The delivery is cancelled.", "Cancelled.")

    def _do(
        self, request: HttpRequest, object_id: str, act: Callable[[Delivery], None], done: str, logged: str
    ) -> HttpResponse:
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        delivery = self.get_object(request, unquote(object_id))
        if delivery is None:
            raise Http404
        try:
            act(delivery)
        except asking.CannotBeMoved as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.log_change(request, delivery, logged)
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:dispatch_delivery_change", args=[quote(delivery.pk)]))
