from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from subscriptions.admin.base import actor_of, moment
from subscriptions.admin.delivery_settings_form import MetadataField
from subscriptions.admin.removing import RemovingAdmin
from subscriptions.admin.typed import ModelForm
from subscriptions.models import Subscriber


class SubscriberForm(ModelForm[Subscriber]):
    metadata = MetadataField()

    def _get_validation_exclusions(self) -> set[str]:
        # Without this field Django leaves out the constraint that keeps uids unique.
        return super()._get_validation_exclusions() - {"deleted_at"}  # type: ignore[misc, no-any-return]


@admin.register(Subscriber)
class SubscriberAdmin(RemovingAdmin[Subscriber]):
    form = SubscriberForm
    list_display = ["name", "uid", "id", moment("created_at")]
    list_filter = ["created_at"]
    search_fields = ["name", "uid"]
    search_help_text = "Name, uid or id."
    id_lookups = {"sub": "pk", "ep": "endpoints"}
    fields = [
        "name",
        "uid",
        "contact_email",
        "is_operator",
        "metadata",
        "rate_limit",
        "rate_period",
        "id",
        moment("created_at"),
    ]
    readonly_fields = ["id", moment("created_at")]

    def remove(self, request: HttpRequest, row: Subscriber) -> None:
        row.remove(now=timezone.now(), by=actor_of(request))
