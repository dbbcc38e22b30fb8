"""Who calls the REST API: a bearer of an API key (RFC 6750), or somebody who is logged in at the admin."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from subscriptions.models import ApiKey, Scope

_SCHEME = "Bearer"
# What a key of the scope `read` may see. Whoever is logged in and may see all of it, may see it here.
_VIEW_PERMISSIONS = [
    "subscriptions.view_subscriber",
    "subscriptions.view_endpoint",
    "subscriptions.view_eventtype",
    "dispatch.view_event",
    "dispatch.view_delivery",
    "dispatch.view_attempt",
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request, in the place where Django expects a user. `id` tells callers apart."""

    id: str
    name: str
    scope: Scope
    subscriber_id: str | None = None
    api_key: ApiKey | None = None
    is_authenticated: bool = True

    def __str__(self) -> str:
        return self.name


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, ApiKey] | None:
        # Not `headers`, for which all of them would be read.
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != _SCHEME.lower():
            return None
        api_key = ApiKey.objects.find(text.strip())
        if api_key is None:
            raise AuthenticationFailed(
                "There is no such API key, or it was revoked or has expired. "
                "Make one in the admin or with `manage.py create_api_key NAME`."
            )
        scope = Scope(api_key.scope)
        return Caller(api_key.id, f"API key {api_key}", scope, api_key.subscriber_id, api_key), api_key

    def authenticate_header(self, request: Request) -> str:
        return _SCHEME


class StaffSession(SessionAuthentication):
    """Staff who are logged in at the admin, so that they can try the API from its pages."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        http: HttpRequest = request._request
        key = http.COOKIES.get(settings.SESSION_COOKIE_NAME)
        if not key:
            return None
        # Django's middleware of sessions passes the API by.
        http.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
        user: Any = auth.get_user(http)
        if not (user.is_active and user.is_staff):
            return None
        self.enforce_csrf(request)
        if user.is_superuser:
            scope = Scope.ADMIN
        elif user.has_perms(_VIEW_PERMISSIONS):
            scope = Scope.READ
        else:
            raise PermissionDenied(
                "The API shows you nothing: your user may not view subscribers, endpoints, event types, events, "
                "deliveries and attempts."
            )
        return Caller(f"user {user.pk}", f"user {user}", scope), None
