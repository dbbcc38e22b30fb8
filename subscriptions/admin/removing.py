"""Deleting on admin pages by a call of the domain, which keeps the rows that the log tells of."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from subscriptions.admin.base import M, RecordAdmin


class RemovingAdmin(RecordAdmin[M]):
    """Rows that are deleted by `remove`. What stands in the way is said before anybody confirms."""

    def remove(self, request: HttpRequest, row: M) -> None:
        """Delete the row."""
        raise NotImplementedError

    def in_the_way(self, row: M) -> str | None:
        """Say why a row cannot be deleted, if it cannot."""
        return None

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[Any], list[Any]]:
        # Django would collect every row that belongs to them, and refuse for those of the log.
        rows: Iterable[M] = list(objs)
        named = [f"{self.opts.verbose_name} {row}" for row in rows]
        problems = [problem for row in rows if (problem := self.in_the_way(row))]
        return named, {str(self.opts.verbose_name_plural): len(named)}, set(), problems

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        self.remove(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        for row in queryset:
            self.remove(request, row)
