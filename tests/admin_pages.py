"""The admin, as a person with a browser meets it."""

from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.messages import get_messages
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse


def page(row_or_model: Any, name: str = "change") -> str:
    """Give the address of a row's page, or, with a model, of its `changelist` or `add` page."""
    options = row_or_model._meta
    arguments = [quote(row_or_model.pk)] if isinstance(row_or_model, Model) else []
    return reverse(f"admin:{options.app_label}_{options.model_name}_{name}", args=arguments)


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


def listed(client: Client, model: type[Model], **query: str) -> list[Model]:
    """Give the rows that a list page shows."""
    return list(client.get(page(model, "changelist"), query).context["cl"].result_list)


def errors_of(response: Any) -> dict[str, list[str]]:
    """Give what a form page says about its fields."""
    assert response.status_code == 200
    return dict(response.context["adminform"].errors)


def messages_of(response: HttpResponse) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def run_action(client: Client, action: str, *rows: Model) -> Any:
    """Choose an action for these rows on the page that lists them."""
    chosen = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(page(type(rows[0]), "changelist"), chosen)


def formset(prefix: str, saved: list[dict[str, Any]], added: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the fields of an inline form with some saved rows and some added ones."""
    rows = [*saved, *added]
    fields = {f"{prefix}-{number}-{name}": value for number, row in enumerate(rows) for name, value in row.items()}
    return {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": len(saved)} | fields
