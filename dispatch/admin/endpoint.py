"""The endpoint's page with what only this app knows: its deliveries, a test event, and code that verifies them."""

from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from dispatch.admin.delivery_page import Shown, timeline
from dispatch.admin.endpoint_moves import MovesMany
from dispatch.models import Attempt, Delivery, EndpointHealth
from dispatch.models.delivery import OUTCOME_CHOICES
from dispatch.publish import PublishRefused, publish_test, wait_for_test
from dispatch.snippets import snippets
from dispatch.states import DeliveryStatus, Outcome, Trigger
from dispatch.traffic import Span, Traffic, traffic
from dispatch.waiting import why_endpoint_waits
from dispatch.why import limits_of
from subscriptions import patterns
from subscriptions.admin.base import actor_of, is_id
from subscriptions.admin.dressing import dress
from subscriptions.models import Endpoint, EndpointState, EndpointTls
from subscriptions.models.endpoint_moves import Move, WrongState

_ATTEMPTS_SHOWN = 10
# More are shown as that many and more: nobody waits for a million to be counted.
_COUNTED = 10_000
_LABELS = dict(OUTCOME_CHOICES)


class TestForm(forms.Form):
    event_type = forms.CharField(label="Event type", max_length=patterns.MAX_LENGTH, initial="test.event")


admin.site.unregister(Endpoint)


@admin.register(Endpoint)
class EndpointPages(MovesMany):
    """Adds to the endpoint's page what tells of its deliveries."""

    change_form_template = "admin/dispatch/endpoint/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        verbs: list[tuple[str, Callable[..., HttpResponse]]] = [
            (move.value, partial(self.move_one, move=move)) for move in Move
        ]
        pages = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"subscriptions_endpoint_{name}")
            for name, view in (*verbs, ("test", self.send_test))
        ]
        return [*pages, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = dict(extra_context or {})
        endpoint = Endpoint.objects.filter(pk=unquote(object_id)).first() if is_id("ep", unquote(object_id)) else None
        if endpoint is not None and self.has_view_or_change_permission(request, endpoint):
            shown |= self._activity(request, endpoint)
        return super().change_view(request, object_id, form_url, shown)

    @method_decorator(require_POST)
    def move_one(self, request: HttpRequest, object_id: str, *, move: Move) -> HttpResponse:
        """Pause, resume, disable or enable it, as the button says. Somebody else may have been first."""
        endpoint = self.endpoint_to_change(request, object_id)
        try:
            endpoint.move(move, now=timezone.now(), by=actor_of(request))
        except WrongState as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.log_change(request, endpoint, f"Now {endpoint.state}.")
            self.message_user(request, f"It is {endpoint.state} now.", messages.SUCCESS)
        return HttpResponseRedirect(_page(endpoint))

    @method_decorator(require_POST)
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.endpoint_to_change(request, object_id)
        if not request.user.has_perm("dispatch.add_event"):
            raise PermissionDenied
        form = TestForm(request.POST)
        if not form.is_valid():
            self.message_user(request, "Name the event type of the test.", messages.ERROR)
            return HttpResponseRedirect(_page(endpoint))
        try:
            test = publish_test(endpoint, form.cleaned_data["event_type"], now=timezone.now())
        except PublishRefused as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(_page(endpoint))
        self.log_change(request, endpoint, "Sent a test event.")
        if not wait_for_test(test, seconds=settings.WEBHOOKS.test_wait):
            self.message_user(request, "The test is still under way. Reload this page to see what came of it.")
        return HttpResponseRedirect(f"{_page(endpoint)}?{urlencode({'test': test.pk})}#test")

    def _activity(self, request: HttpRequest, endpoint: Endpoint) -> dict[str, Any]:
        may_change = self.has_change_permission(request, endpoint)
        form = TestForm()
        dress(form)
        seen = traffic(Span.DAY, timezone.now(), endpoint_id=endpoint.pk)
        pending = Delivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.PENDING)
        waiting = pending.values("pk")[: _COUNTED + 1].count()
        latest = Delivery.objects.filter(endpoint=endpoint).order_by("-pk").values("pk")[: 5 * _ATTEMPTS_SHOWN]
        attempts = Attempt.objects.filter(delivery__in=list(latest.values_list("pk", flat=True)))
        return {
            "chart": _chart(seen),
            "success_rate": None if seen.success_rate is None else f"{100 * seen.success_rate:.1f} %",
            "traffic": seen,
            "waiting": f"{_COUNTED:,} and more" if waiting > _COUNTED else f"{waiting:,}",
            "oldest": _outside_lines(endpoint, pending)
            .order_by("next_attempt_at")
            .values_list("next_attempt_at", flat=True)
            .first(),
            "attempts": attempts.order_by("-pk").defer("response_headers", "response_body")[:_ATTEMPTS_SHOWN],
            "facts": _facts(endpoint),
            "snippets": snippets(endpoint.schemes),
            "test": _test(request, endpoint),
            "test_form": form if may_change and request.user.has_perm("dispatch.add_event") else None,
            "may_pause": may_change and endpoint.state in (EndpointState.ACTIVE, EndpointState.UNVERIFIED),
            "may_resume": may_change and endpoint.state == EndpointState.PAUSED,
            "may_enable": may_change and endpoint.state == EndpointState.DISABLED,
            "may_disable": may_change and endpoint.state != EndpointState.DISABLED,
        }


def _outside_lines(endpoint: Endpoint, pending: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Leave out what stands in line where nothing does, so that the index of what is due serves."""
    return pending if endpoint.ordered else pending.filter(line__isnull=True)


def _test(request: HttpRequest, endpoint: Endpoint) -> Shown | None:
    """Find the attempt of the test that was just sent."""
    named = request.GET.get("test", "")
    if not is_id("dlv", named):
        return None
    tests = Delivery.objects.filter(pk=named, endpoint=endpoint, trigger=Trigger.TEST)
    delivery = tests.select_related("event", "endpoint").first()
    return next(iter(timeline(delivery)), None) if delivery else None


def _facts(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Say what holds its deliveries up, how much it gets, and when its certificates end."""
    now = timezone.now()
    health = EndpointHealth.objects.filter(endpoint=endpoint).first()
    waiting = None if endpoint.state != EndpointState.ACTIVE else why_endpoint_waits(endpoint, now)
    if waiting is not None and waiting.until is not None:
        breaker = f"{waiting.text} Until {waiting.until:%Y-%m-%d %H:%M:%S} UTC."
    elif health is not None and health.failures and not health.is_stale(endpoint.state_changed_at):
        breaker = f"Closed. Attempts that failed since the last success: {health.failures}, the first on "
        breaker += f"{health.failing_since:%Y-%m-%d %H:%M:%S} UTC."
    else:
        breaker = "Closed: nothing has failed since the last success."
    limits = ", ".join([*limits_of(endpoint), *(["one after another"] if endpoint.ordered else [])])
    facts = [("Breaker", breaker), ("Rate", limits.capitalize() or "No limit.")]
    for tls in EndpointTls.objects.filter(endpoint=endpoint):
        ends = (("CA certificate", tls.ca_expires_at), ("Client certificate", tls.client_expires_at))
        facts += [(name, f"Ends on {end:%Y-%m-%d %H:%M:%S} UTC.") for name, end in ends if end is not None]
    return facts


def _chart(seen: Traffic) -> dict[str, Any]:
    """Give the script what it draws."""
    return {
        "labels": [f"{start.astimezone(UTC):%H:%M}" for start in seen.starts],
        "outcomes": [
            {"name": outcome.value, "label": _LABELS[outcome.value], "attempts": seen.by_outcome[outcome]}
            for outcome in Outcome
            if outcome in seen.by_outcome
        ],
    }


def _page(endpoint: Endpoint) -> str:
    return reverse("admin:subscriptions_endpoint_change", args=[quote(endpoint.pk)])
