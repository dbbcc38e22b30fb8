"""Admin pages that add a row by one call of the domain."""

from typing import Any

from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from subscriptions.admin.base import M, RecordAdmin
from subscriptions.admin.typed import ModelForm


class RegisteringAdmin(RecordAdmin[M]):
    """Adds by `register` instead of saving a form, and shows what that refuses at the fields of the form."""

    add_form: type[ModelForm[M]]
    add_fields: list[str]
    # Where the fields are in groups.
    add_fieldsets: list[Any] | None = None

    def register(self, request: HttpRequest, values: dict[str, Any]) -> M:
        """Create the row. Raises Django's `ValidationError`, by field."""
        raise NotImplementedError

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form_class = self.get_form(request, None, change=False, form=self.add_form, fields=self.add_fields)
        if request.method == "POST":
            form = form_class(request.POST)
            if form.is_valid() and (row := self._registered(request, form)) is not None:
                return self.response_add(request, row)
        else:
            form = form_class(initial=self.get_changeform_initial_data(request))
        return self._add_page(request, form, form_url, extra_context or {})

    def _registered(self, request: HttpRequest, form: ModelForm[M]) -> M | None:
        try:
            with transaction.atomic():
                row = self.register(request, form.cleaned_data)
                self.log_addition(request, row, [{"added": {}}])
        except ValidationError as error:
            form.add_error(None, error)
            return None
        return row

    def _add_page(
        self, request: HttpRequest, form: ModelForm[M], form_url: str, extra_context: dict[str, Any]
    ) -> HttpResponse:
        fieldsets = self.add_fieldsets or [(None, {"fields": self.add_fields})]
        admin_form = helpers.AdminForm(form, fieldsets, {}, model_admin=self)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Add {self.opts.verbose_name}",
            "adminform": admin_form,
            "media": self.media + admin_form.media,
            "inline_admin_formsets": [],
            "errors": helpers.AdminErrorList(form, []),
            "is_popup": False,
            **extra_context,
        }
        return self.render_change_form(request, context, add=True, form_url=form_url)
