"""Django's middleware for pages, which requests of the API pass by: they have no session, no forms and no cookies."""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin

_API = "/api/"
# Everything is our own and of this host. The admin's Alpine evaluates expressions that stand in its templates, and
# widths and heights are written as style attributes.
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


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


class PolicyOfPages(_OfPages):
    """Tells browsers where the parts of a page may come from (https://www.w3.org/TR/CSP3/)."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        return response
