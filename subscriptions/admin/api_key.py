from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from subscriptions.admin.base import actor_of, moment, show_once
from subscriptions.admin.registering import RegisteringAdmin
from subscriptions.admin.subscriber_select import SubscriberSelect
from subscriptions.admin.typed import ModelForm
from subscriptions.models import ApiKey

_MOMENTS = [moment("created_at"), moment("last_used_at"), moment("revoked_at")]


class NewApiKeyForm(ModelForm[ApiKey]):
    class Meta:
        model = ApiKey
        fields = ["name", "scope", "subscriber", "expires_at", "rate_limit"]
        widgets = {"subscriber": SubscriberSelect(ApiKey._meta.get_field("subscriber"), admin.site)}


@admin.register(ApiKey)
class ApiKeyAdmin(RegisteringAdmin[ApiKey]):
    list_display = [
        "name",
        "prefix",
        "scope",
        "subscriber",
        moment("last_used_at"),
        moment("expires_at"),
        moment("revoked_at"),
    ]
    list_filter = ["scope", ("revoked_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["subscriber"]
    search_fields = ["name", "prefix"]
    id_lookups = {"key": "pk", "sub": "subscriber"}
    fields = ["name", "scope", "subscriber", "prefix", "id", "expires_at", "rate_limit", *_MOMENTS]
    readonly_fields = ["scope", "subscriber", "prefix", "id", *_MOMENTS]
    actions = ["revoke"]
    add_form = NewApiKeyForm
    add_fields = ["name", "scope", "subscriber", "expires_at", "rate_limit"]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return [] if obj is None else super().get_readonly_fields(request, obj)

    def register(self, request: HttpRequest, values: dict[str, Any]) -> ApiKey:
        api_key, text = ApiKey.objects.generate(**values, by=actor_of(request))
        show_once(request, f"The API key {api_key.name}", text)
        return api_key

    @admin.action(description="Revoke selected API keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        api_keys = list(queryset.filter(revoked_at__isnull=True))
        for api_key in api_keys:
            api_key.revoke(timezone.now(), by=actor_of(request))
            self.log_change(request, api_key, "Revoked.")
        self.message_user(request, f"Revoked: {len(api_keys)}.", messages.SUCCESS)
