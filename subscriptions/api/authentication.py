"""Who calls the REST API: a bearer of an API key (RFC 6750)."""

from dataclasses import dataclass

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from subscriptions.models import ApiKey

_SCHEME = "Bearer"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request with an API key, in the place where Django expects a user."""

    api_key: ApiKey
    is_authenticated: bool = True

    def __str__(self) -> str:
        return f"API key {self.api_key}"


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, ApiKey] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != _SCHEME.lower():
            return None
        api_key = ApiKey.objects.find(text.strip())
        if api_key is None:
            raise AuthenticationFailed(
                "There is no such API key, or it was revoked. "
                "Make one in the admin or with `manage.py create_api_key NAME`."
            )
        return Caller(api_key), api_key

    def authenticate_header(self, request: Request) -> str:
        return _SCHEME
