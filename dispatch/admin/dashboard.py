"""The dashboard: the first page of the admin, and the data that it asks for again and again."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from dispatch.admin.alive import signs
from dispatch.admin.links import address
from dispatch.models import RollupState
from dispatch.models.delivery import OUTCOME_CHOICES
from dispatch.states import Outcome
from dispatch.traffic import Span, failing_endpoints, traffic
from subscriptions.endpoint_urls import shortened
from subscriptions.models import Endpoint, EndpointState

PERMISSION = "dispatch.view_delivery"
_DISABLED_SHOWN = 5
_REASONS = {
    "due": "Due now",
    "rate": "Due, as the endpoint's rate limit allows",
    "cap": "Due, as the endpoint's cap on requests in flight allows",
    "order": "Behind another of an ordered endpoint",
    "breaker": "Breaker open",
    "retry_after": "Receiver asked to wait",
    "sending": "Being sent",
    "retry": "Until their next retry",
    "later": "Until they are due",
    EndpointState.PAUSED.value: "Endpoint paused",
    EndpointState.UNVERIFIED.value: "Endpoint unverified",
    EndpointState.DISABLED.value: "Endpoint disabled: to be cancelled",
}
_SPANS = {Span.HOUR: "1 hour", Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days"}


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Add to the first page what its template needs."""
    may_see = request.user.has_perm(PERMISSION)
    return given | {"title": "Dashboard", "may_see": may_see, "spans": [(span.value, _SPANS[span]) for span in Span]}


@never_cache
@permission_required(PERMISSION, raise_exception=True)
def data(request: HttpRequest) -> JsonResponse:
    """Answer what the dashboard shows, for `?span=1h`, `24h`, `7d` or `30d`."""
    wanted = request.GET.get("span")
    span = Span(wanted) if wanted in set(Span) else Span.HOUR
    return JsonResponse(snapshot(span, timezone.now()))


def snapshot(span: Span, now: datetime) -> dict[str, Any]:
    """Gather everything that the dashboard shows."""
    seen = traffic(span, now)
    return {
        "span": span.value,
        "bar": seen.bar.value,
        "at": now.isoformat(),
        "starts": [start.isoformat() for start in seen.starts],
        "outcomes": [
            {"name": outcome.value, "label": dict(OUTCOME_CHOICES)[outcome.value], "attempts": seen.by_outcome[outcome]}
            for outcome in Outcome
            if outcome in seen.by_outcome
        ],
        "attempts": seen.attempts,
        "success_rate": seen.success_rate,
        "p50": seen.p50,
        "p95": seen.p95,
        "waiting": _waiting(now),
        "failing": list(_failing(span, now)),
        "disabled": list(_disabled()),
        "signs": [sign._asdict() for sign in signs(now)],
    }


def _waiting(now: datetime) -> dict[str, Any]:
    state = RollupState.objects.first()
    if state is None or state.waiting_at is None:
        return {"total": None, "oldest_due_seconds": None, "reasons": []}
    oldest = state.oldest_due_at
    return {
        "total": sum(state.waiting.values()),
        "oldest_due_seconds": None if oldest is None else max(0.0, (now - oldest).total_seconds()),
        "reasons": [
            {"label": _REASONS.get(reason, reason), "deliveries": count}
            for reason, count in sorted(state.waiting.items(), key=lambda each: -each[1])
            if count
        ],
    }


def _failing(span: Span, now: datetime) -> Iterable[dict[str, Any]]:
    found = failing_endpoints(span, now)
    endpoints = Endpoint.objects.select_related("subscriber").in_bulk([each.endpoint_id for each in found])
    for each in found:
        if endpoint := endpoints.get(each.endpoint_id):
            query = urlencode({"endpoint": endpoint.pk, "period": span.value})
            yield {
                "name": _name(endpoint),
                "address": address(endpoint),
                "subscriber": endpoint.subscriber.name,
                "state": endpoint.state,
                "failed": each.failed,
                "attempts": each.attempts,
                "list": f"{reverse('admin:dispatch_attempt_changelist')}?{query}",
            }


def _disabled() -> Iterable[dict[str, Any]]:
    # Somebody's decision is no news, the dispatcher's is.
    disabled = Endpoint.objects.filter(state=EndpointState.DISABLED).exclude(state_reason__startswith="Disabled by ")
    for endpoint in disabled.order_by("-state_changed_at")[:_DISABLED_SHOWN]:
        yield {
            "name": _name(endpoint),
            "address": address(endpoint),
            "reason": endpoint.state_reason,
            "at": endpoint.state_changed_at and endpoint.state_changed_at.isoformat(),
        }


def _name(endpoint: Endpoint) -> str:
    return endpoint.description or shortened(endpoint.url)
