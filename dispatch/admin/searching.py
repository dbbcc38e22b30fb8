"""Searching the long lists: exactly, by what has an index."""

from collections.abc import Collection
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from dispatch.models import Event
from subscriptions.admin.base import M
from subscriptions.admin.long_list import KeysetPages, LongListAdmin
from subscriptions.models import Subscriber


class SearchedList(LongListAdmin[M]):
    """Finds by the uid of a subscriber or the idempotency key of an event, whichever there is, else by id or type."""

    # Parameters of filters that no index serves, together with others or at all.
    unserved: ClassVar[Collection[str]] = ()

    def candidates(self, request: HttpRequest, changes: KeysetPages) -> QuerySet[M] | None:
        used = {name: spec for spec in changes.filter_specs for name, value in spec.used_parameters.items() if value}
        if changes.query or changes.queryset.query.is_empty() or not (unserved := self.unserved_among(used)):
            return None
        found = self.get_queryset(request)
        for name, spec in used.items():
            if name not in unserved:
                found = spec.queryset(request, found)
        return found

    def unserved_among(self, used: Collection[str]) -> Collection[str]:
        """Say which of the parameters that are used no index serves."""
        return set(used).intersection(self.unserved)

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
