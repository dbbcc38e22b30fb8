"""Searching the long lists: exactly, by what has an index."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from dispatch.models import Event
from subscriptions.admin.base import M
from subscriptions.admin.long_list import LongListAdmin
from subscriptions.models import Subscriber


class SearchedList(LongListAdmin[M]):
    """Finds by the uid of a subscriber or the idempotency key of an event, whichever there is, else by id or type."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        text = search_term.strip()
        lookups: dict[str, Any] = dict(self.id_lookups)
        if text and (subscriber := Subscriber.objects.filter(uid=text).first()):
            return queryset.filter(**{lookups["sub"]: subscriber}), False
        if text and (events := list(Event.objects.filter(idempotency_key=text).values_list("pk", flat=True))):
            return queryset.filter(**{f"{lookups['evt']}__in": events}), False
        return super().get_search_results(request, queryset, search_term)
