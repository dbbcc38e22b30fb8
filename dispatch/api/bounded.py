"""Lists of which no page ever takes long, whatever is asked for and however many rows there are.

A filter that has no index may be passed by few rows, and to find them all would be looked at. So a page looks at a
bounded number of rows; where it finds fewer than were wanted and others are left, it is short, perhaps empty, and its
`next` goes on from there.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import Model, Q
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import Many
from subscriptions.api.pagination import NewestFirst
from subscriptions.api.problems import InvalidParameter

M = TypeVar("M", bound=Model)

LOOKED_AT = 5_000

_OLDER, _NEWER = "older", "newer"


class Selection(NamedTuple):
    """What a list is to show: what an index finds, and what is looked for among that. The newest by `keys` is first."""

    found: Q
    among: Q = Q()
    keys: Sequence[str] = ("pk",)


class _Cursor(NamedTuple):
    """Where a page begins: next to the row with these keys, which is not in it."""

    direction: str
    keys: Sequence[Any]


class Bounded(Many[M]):
    """A list, newest first, of what `select` says."""

    looked_at = LOOKED_AT

    def select(self, filters: Mapping[str, Any]) -> Selection:
        """Turn the filters that were given into a selection."""
        raise NotImplementedError

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        limit = NewestFirst().get_page_size(request)
        given = {name: text for name, text in request.query_params.items() if name not in self.page_parameters}
        selection = self.select(self.read(self.filters, given))
        text = request.query_params.get(NewestFirst.cursor_query_param)
        try:
            cursor = None if text is None else _read(text, len(selection.keys))
            rows, before, after = self._page(selection, cursor, limit)
        except (ModelValidationError, ValueError, TypeError) as error:
            raise InvalidParameter({"cursor": "Take the cursor from `next` or `previous` of a page."}) from error
        return Response(
            {
                "next": self._address(after),
                "previous": self._address(before),
                "results": self.get_serializer(rows, many=True).data,
            }
        )

    def _page(
        self, selection: Selection, cursor: _Cursor | None, limit: int
    ) -> tuple[Sequence[M], _Cursor | None, _Cursor | None]:
        """Return the rows of a page, newest first, and the cursors of those before and after it."""
        goes_back = cursor is not None and cursor.direction == _NEWER
        keys, candidates = selection.keys, self.get_queryset().filter(selection.found)
        if cursor is not None:
            candidates = candidates.filter(_beyond(keys, cursor.keys, "gt" if goes_back else "lt"))
        order = [key if goes_back else f"-{key}" for key in keys]
        candidates = candidates.order_by(*order)
        wanted = candidates
        if selection.among:
            # The sub-select has the planner look at no others, however few of these it expects to be wanted.
            looked_at = candidates.values("pk")[: self.looked_at]
            wanted = self.get_queryset().filter(selection.among, pk__in=looked_at).order_by(*order)
        rows = list(wanted[: limit + 1])
        onward: Sequence[Any] | None = None
        if len(rows) > limit:
            rows = rows[:limit]
            onward = _keys_of(rows[-1], keys)
        elif selection.among:
            last = candidates.values_list(*keys)[self.looked_at - 1 : self.looked_at]
            onward = next(iter(last), None)
        start = _keys_of(rows[0], keys) if rows else cursor.keys if cursor else None
        on = _Cursor(_NEWER if goes_back else _OLDER, onward) if onward else None
        back = _Cursor(_OLDER if goes_back else _NEWER, start) if cursor and start else None
        return (rows[::-1], on, back) if goes_back else (rows, back, on)

    def _address(self, cursor: _Cursor | None) -> str | None:
        if cursor is None:
            return None
        written = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
        query = {**self.request.query_params.dict(), NewestFirst.cursor_query_param: written}
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode(query)}")


def _read(text: str, keys: int) -> _Cursor:
    direction, values = json.loads(base64.urlsafe_b64decode(text.encode()))
    if direction not in {_OLDER, _NEWER} or not isinstance(values, list) or len(values) != keys:
        raise ValueError("this is no cursor of ours")
    return _Cursor(direction, values)


def _keys_of(row: Model, keys: Sequence[str]) -> list[Any]:
    return [getattr(row, key) for key in keys]


def _beyond(keys: Sequence[str], values: Sequence[Any], comparison: str) -> Q:
    """Select what comes after these values by all keys together."""
    (first, *more), (value, *rest) = keys, values
    beyond = Q(**{f"{first}__{comparison}": value})
    if not more:
        return beyond
    # The first comparison says nothing more, but an index can be searched by it.
    return Q(**{f"{first}__{comparison}e": value}) & (beyond | Q(**{first: value}) & _beyond(more, rest, comparison))
