"""What the admin pages of both apps are made of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from subscriptions import ids
from subscriptions.admin.dressing import dress
from subscriptions.admin.typed import ModelAdmin, ModelForm, TabularInline
from subscriptions.client_address import client_address
from subscriptions.models.audit import Action, Actor, record

M = TypeVar("M", bound=Model)
Parent = TypeVar("Parent", bound=Model)


class RecordAdmin(ModelAdmin[M]):
    """The pages of a model, whose rows are found by public ids, their own and those of what they belong to."""

    list_per_page = 50
    show_full_result_count = False
    # From the prefix of an id to the look-up that finds the rows by it.
    id_lookups: ClassVar[Mapping[str, str]] = {}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        text = search_term.strip()
        prefix = text.partition("_")[0]
        if prefix in self.id_lookups and is_id(prefix, text):
            return queryset.filter(**{self.id_lookups[prefix]: text}), False
        return super().get_search_results(request, queryset, search_term)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        dress(context["adminform"].form)
        shown: HttpResponse = super().render_change_form(request, context, *args, **options)
        return shown

    def save_model(self, request: HttpRequest, obj: M, form: ModelForm[M], change: bool) -> None:
        # Only what was changed here: a worker may have changed the rest since the page was opened.
        obj.save(update_fields=form.changed_data if change else None)
        if not change:
            record(Action.CREATED, obj, by=actor_of(request))
        elif form.changed_data:
            record(Action.CHANGED, obj, by=actor_of(request), fields=form.changed_data)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if formset.has_changed():
            record(Action.CHANGED, form.instance, by=actor_of(request), fields=[formset.prefix])

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        record(Action.DELETED, obj, by=actor_of(request))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        for row in queryset:
            record(Action.DELETED, row, by=actor_of(request))
        super().delete_queryset(request, queryset)


class PartInline(TabularInline[M, Parent]):
    """Rows that belong to the row of the page."""

    extra = 0


class ReadOnly:
    """Rows that are neither added nor changed."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NotDeletedHere(RecordAdmin[M]):
    """Rows that are not deleted on their own pages.

    Django also asks when something is deleted that they belong to: there its own message says what goes with
    it, or stands in the way.
    """

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        page = request.resolver_match.url_name if request.resolver_match else None
        is_here = str(page).startswith(f"{self.opts.app_label}_{self.opts.model_name}_")
        return not is_here and super().has_delete_permission(request, obj)


def actor_of(request: HttpRequest) -> Actor:
    """Say who changes something on a page, and from where."""
    return Actor(f"user {request.user}", client_address(request))


@cache
def moment(field: str) -> Any:
    """Make a column of a time field, to the millisecond: Django's own stops at minutes.

    Always the same one for a field, as Django looks for the columns of `fields` in `readonly_fields`.
    """

    @admin.display(description=f"{field.removesuffix('_at').replace('_', ' ')} (UTC)", ordering=field)
    def shown(row: Model) -> str:
        time: datetime | None = getattr(row, field)
        if time is None:
            return "-"
        return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03}"

    return shown


def show_once(request: HttpRequest, what: str, text: str) -> None:
    """Show a secret text above the next page, and never again."""
    messages.warning(request, format_html("{}: <code>{}</code> Copy it now, it is not shown again.", what, text))


def is_id(prefix: str, text: str) -> bool:
    """Say whether `text` is a public id with this prefix."""
    try:
        ids.decode(prefix, text)
    except ids.InvalidId:
        return False
    return True
