"""Django's middleware for pages, which requests of the API pass by: they have no session, no forms and no cookies."""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin

_API = "/api/"


class _OfPages(MiddlewareMixin):
    # Only the call: the checks that Django makes of a view it makes all the same.

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(_API):
            return self.get_response(request)
        return super().__call__(request)


class SessionOfPages(_OfPages, SessionMiddleware):
    """Sessions."""


class CsrfOfPages(_OfPages, CsrfViewMiddleware):
    """Protection of forms. Its other half refuses what no view below /api/ exempts, as ever."""


class AuthenticationOfPages(_OfPages, AuthenticationMiddleware):
    """Users."""


class MessageOfPages(_OfPages, MessageMiddleware):
    """Messages to users."""
