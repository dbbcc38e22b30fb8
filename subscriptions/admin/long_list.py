"""Lists of rows that are counted in millions: pages begin at an id instead of a number, and nothing is counted."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from subscriptions.admin.base import M, NotDeletedHere, is_id
from subscriptions.statement_limit import TookTooLong, at_most

_BEFORE = "before"
_AFTER = "after"
_TOO_LONG = (
    "This would have taken the database longer than {seconds:g} seconds. Narrow the list down: choose a time, an "
    "endpoint or a subscriber."
)


class KeysetPages(ChangeList):  # type: ignore[misc]  # Unfold has no types
    """Pages by id, newest first. `?before=<id>` shows what is older than that row, `?after=<id>` what is newer."""

    older: str | None = None
    newer: str | None = None
    # Whether the page ends because so many rows were looked at, not because there are no more.
    is_cut_short = False

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in (_BEFORE, _AFTER)}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        before, after = (self._row_named(request, name) for name in (_BEFORE, _AFTER))
        edge = None
        try:
            with at_most(settings.WEBHOOKS.list_timeout):
                edge = self._edge(request, before, after)
                rows = self._rows(before, after, edge)
        except TookTooLong:
            messages.error(request, _TOO_LONG.format(seconds=settings.WEBHOOKS.list_timeout))
            rows = []
        is_more = len(rows) > self.list_per_page
        self.is_cut_short = edge is not None and not is_more
        rows = rows[: self.list_per_page]
        if after:
            rows.reverse()
        # Where the next page in the same direction goes on, and that of the other one.
        onward = (rows[0] if after else rows[-1]).pk if is_more else edge
        back = (rows[-1] if after else rows[0]).pk if rows else None
        older, newer = (back or after, onward) if after else (onward, (back or before) if before else None)
        if older:
            self.older = self.get_query_string({_BEFORE: older}, [_AFTER])
        if newer:
            self.newer = self.get_query_string({_AFTER: newer}, [_BEFORE])
        self.result_list = rows
        # Templates compare them to say how many there are, which nobody knows.
        self.result_count = self.full_result_count = len(rows)
        self.can_show_all = self.multi_page = False
        self.paginator = _Pages()

    def newest(self) -> str:
        """Return the address of the first page."""
        return str(self.get_query_string({}, [_BEFORE, _AFTER]))

    def _edge(self, request: HttpRequest, before: str | None, after: str | None) -> str | None:
        """Return the last row that this page may look at, or None if it may look at all."""
        candidates = self.model_admin.candidates(request, self)
        if candidates is None:
            return None
        most = settings.WEBHOOKS.list_rows
        ids = _beyond(candidates, before, after).values_list("pk", flat=True)[most - 1 : most]
        return next(iter(ids), None)

    def _rows(self, before: str | None, after: str | None, edge: str | None) -> list[Model]:
        queryset = _beyond(self.queryset, before, after)
        if edge is not None:
            queryset = queryset.filter(**{"pk__lte" if after else "pk__gte": edge})
        # One more than is shown tells whether there are more.
        return list(queryset[: self.list_per_page + 1])

    def _row_named(self, request: HttpRequest, name: str) -> str | None:
        text = request.GET.get(name)
        if text is not None and not is_id(self.model._meta.pk.prefix, text):
            raise IncorrectLookupParameters
        return text


def _beyond(queryset: QuerySet[Any], before: str | None, after: str | None) -> QuerySet[Any]:
    if after:
        return queryset.filter(pk__gt=after).order_by("pk")
    return (queryset.filter(pk__lt=before) if before else queryset).order_by("-pk")


class _Pages:
    """Stands where Django has a paginator. There is nothing to number."""

    template_name = "admin/keyset_pages.html"
    num_pages = 1


class LongListAdmin(NotDeletedHere[M]):
    """A list of very many rows. Its order is that of their ids, which is that of their creation."""

    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_filter_submit = True
    # What is chosen is what is seen: nobody knows how many rows there are elsewhere.
    list_disable_select_all = True

    def candidates(self, request: HttpRequest, changes: KeysetPages) -> QuerySet[M] | None:
        """Select what indexes find of what `changes` asks for, or return None where they find all of it."""
        return None

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[KeysetPages]:
        return KeysetPages
