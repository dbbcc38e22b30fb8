"""A client of the REST API. What it takes and gives is typed by `models`, which is made from the API's description.

with Client("http://localhost:8000", key) as api:
    acme = api.create_subscriber({"name": "Acme", "uid": "acme"})
    api.create_endpoint({"subscriber": acme["id"], "url": "https://acme.example/hooks", "event_types": ["invoice.*"]})
    api.publish({"type": "invoice.paid", "data": {"id": "in_1"}}, idempotency_key="in_1-paid")
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import requests

from examples.client.models import (
    DeliveryWithAttempts,
    EventWithData,
    NewEndpoint,
    NewEvent,
    NewSubscriber,
    RegisteredEndpoint,
    Subscriber,
)

_TIMEOUT = 20
_PAGE_SIZE = 250


class CallFailed(Exception):
    """The API was not reached, or did not do it."""


class Client:
    """Calls of the REST API. Raises `CallFailed` for an answer that is no success."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._root = f"{base_url}/api/v1"
        self._session = requests.Session()
        # A proxy of the environment has no business between two programs of one's own.
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {api_key}"

    def create_subscriber(self, subscriber: NewSubscriber) -> Subscriber:
        created: Subscriber = self._post("subscribers", subscriber)
        return created

    def create_endpoint(self, endpoint: NewEndpoint) -> RegisteredEndpoint:
        """Create an endpoint. The answer holds its signing secret, which is not shown again."""
        created: RegisteredEndpoint = self._post("endpoints", endpoint)
        return created

    def publish(self, event: NewEvent, *, idempotency_key: str | None = None) -> EventWithData:
        """Publish an event. With the same key and event again, nothing is published twice."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        published: EventWithData = self._post("events", event, headers)
        return published

    def deliveries(self, **filters: str) -> Iterator[DeliveryWithAttempts]:
        """Yield deliveries, newest first, such as those of an `endpoint` or with a `status`."""
        url, query = f"{self._root}/deliveries/", filters | {"limit": str(_PAGE_SIZE)}
        while url:
            page = self._call("GET", url, params=query)
            yield from page["results"]
            # What was asked for stands in the next page's address.
            url, query = page["next"], {}

    def _post(self, collection: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        return self._call("POST", f"{self._root}/{collection}/", json=body, headers=headers)

    def _call(self, method: str, url: str, **options: Any) -> Any:
        try:
            response = self._session.request(method, url, timeout=_TIMEOUT, **options)
        except requests.RequestException as error:
            raise CallFailed(f"{method} {url} failed: {error}") from None
        if not response.ok:
            raise CallFailed(f"{method} {url} was answered {response.status_code}: {response.text[:1000]}")
        return response.json()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()
