"""The dispatcher's REST API, as a client with an API key sees it."""

from collections.abc import Mapping
from typing import Any, Self

import requests

from webhooks_project.stack import StackError

_TIMEOUT = 20
_PAGE_SIZE = 250


class ApiClient:
    """Calls of the REST API. An answer that is no success raises `StackError`."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._root = f"{base_url}/api/v1"
        self._session = requests.Session()
        # A proxy of the environment has no business on this machine.
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {api_key}"

    def create(self, collection: str, **fields: Any) -> Mapping[str, Any]:
        """POST to a collection (`subscribers`, `endpoints`, `events`) and return what was created."""
        return self._call("POST", f"{self._root}/{collection}/", json=fields)

    def deliveries(self, endpoint: str) -> list[Mapping[str, Any]]:
        """Return every delivery to an endpoint, oldest first."""
        found: list[Mapping[str, Any]] = []
        url = f"{self._root}/deliveries/?endpoint={endpoint}&limit={_PAGE_SIZE}"
        while url:
            page = self._call("GET", url)
            found += page["results"]
            url = page["next"]
        return found[::-1]

    def _call(self, method: str, url: str, **options: Any) -> Mapping[str, Any]:
        try:
            response = self._session.request(method, url, timeout=_TIMEOUT, **options)
        except requests.RequestException as error:
            raise StackError(f"{method} {url} failed: {error}") from None
        if not response.ok:
            raise StackError(f"{method} {url} was answered {response.status_code}: {response.text[:1000]}")
        answer: Mapping[str, Any] = response.json()
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()
