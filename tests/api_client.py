"""A client of the REST API, as a platform would have one."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from subscriptions.models import ApiKey, AuditEntry, Scope, Subscriber

PROBLEM = "application/problem+json"
HEADERS = {"Idempotency-Key"}


class ApiClient:
    """Sends requests below /api/v1/ with an API key, or with none."""

    def __init__(self, key: str | None = None) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    @classmethod
    def with_new_key(cls, scope: Scope = Scope.ADMIN, subscriber: Subscriber | None = None) -> "ApiClient":
        api_key, text = ApiKey.objects.generate("tests", scope=scope, subscriber=subscriber)
        # Used just now, and made by nobody: what tests count is what they do with it.
        ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=timezone.now())
        AuditEntry.objects.filter(object_id=api_key.pk).delete()
        return cls(text)

    def get(self, path: str, **query: str) -> Any:
        return self._client.get(f"/api/v1/{path}", query, headers=self._headers)

    def post(self, path: str, body: Any) -> Any:
        return self.send("POST", path, json.dumps(body))

    def send(self, method: str, path: str, body: str | bytes, content_type: str = "application/json") -> Any:
        return self._client.generic(method, f"/api/v1/{path}", body, content_type, headers=self._headers)


def assert_problem(response: Any, status: int, title: str, detail: str, errors: dict[str, str]) -> None:
    """Check every member of a problem document (RFC 9457). Errors of a body point into it, those of headers don't."""
    has_body = response.wsgi_request.method in {"POST", "PUT", "PATCH"}

    def told(field: str, message: str) -> dict[str, str]:
        pointer = {"pointer": f"#/{field.replace('.', '/')}"} if has_body and field not in HEADERS else {}
        return {"field": field, **pointer, "message": message}

    assert response.headers["Content-Type"] == PROBLEM
    assert json.loads(response.content) == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "errors": [told(field, message) for field, message in errors.items()],
    }
    assert response.status_code == status


def assert_refused(response: HttpResponse, field: str, message: str) -> None:
    """Check that a request was refused for one field."""
    assert_problem(response, 400, "Bad Request", f"{field}: {message}", {field: message})
