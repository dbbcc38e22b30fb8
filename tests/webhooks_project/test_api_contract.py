"""The REST API keeps to its description: schemathesis calls a running server with what it allows and forbids."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dispatch.publish import publish_event
from subscriptions.models import ApiKey, SigningSecret
from tests.factories import (
    ApiKeyFactory,
    AttemptFactory,
    BulkJobFactory,
    EndpointFactory,
    EventTypeFactory,
    SubscriberFactory,
)
from tests.webhooks_project.serving import web_serving

pytestmark = [pytest.mark.contract, pytest.mark.django_db(transaction=True)]

# The same requests in every run, and few enough for every run.
CONFIGURATION = """
seed = 1
color = false
workers = 2
continue-on-failure = true

[generation]
max-examples = 10
database = "none"

[checks]
# What is not there, what does not fit the state of things, and a precondition that fails.
positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 412]
# A precondition is looked at before the body.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415]
"""
# Requests about rows that are there reach further than those with ids that were made up.
DICTIONARIES = {
    "^/api/v1/subscribers/": {"path.id": "subscribers"},
    "^/api/v1/endpoints/": {"path.id": "endpoints", "path.endpoint": "endpoints", "body.url": "urls"},
    "^/api/v1/endpoints/.*/secrets/.*/": {"path.endpoint": "endpoints", "path.id": "secrets"},
    "^/api/v1/events/": {"path.id": "events"},
    "^/api/v1/deliveries/": {"path.id": "deliveries"},
    "^/api/v1/event-types/": {"path.name": "event_types"},
    "^/api/v1/api-keys/": {"path.id": "api_keys"},
    "^/api/v1/attempts/": {"path.id": "attempts"},
    "^/api/v1/jobs/": {"path.id": "jobs"},
}
# Where more is asked of what is sent than a schema can say, by the reason. Everywhere else what fits is accepted.
MORE_THAN_A_SCHEMA = {
    # A cursor comes from another page.
    "GET": "/(api-keys|attempts|audit-log|deliveries|endpoints|event-types|events|feed|jobs|secrets|subscribers)/$",
    # A uid or a name is given away once; a URL, a JSON Schema, a header, a secret and a certificate have forms of their
    # own; a key of one subscriber needs one; and of deliveries at least one filter is wanted.
    "POST": "/(api-keys|endpoints|event-types|events|subscribers|rotate|deliveries/retry|deliveries/cancel)/$",
    "PATCH": "/(endpoints|event-types|subscribers)/",
    "PUT": "/(credentials|headers)/$",
}
OF_A_KIND = 12
# What may end the key that it calls with comes last.
ENDS_KEYS = "^/api/v1/api-keys/.*/(revoke|expire)/$"


@pytest.fixture
def server(process_environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    # No worker runs here, so no test event is waited for.
    with web_serving(process_environment | {"WEBHOOKS_TEST_WAIT": "0"}, tmp_path / "web.log") as url:
        yield url


def rows() -> Mapping[str, list[str]]:
    """Make some of everything. Some of it is deleted by some request."""
    subscribers = [SubscriberFactory(uid=f"customer-{n}") for n in range(OF_A_KIND)]
    endpoints = [EndpointFactory(subscriber=subscriber) for subscriber in subscribers]
    events = [publish_event("invoice.paid", {"n": n}, subscriber=f"customer-{n}").event for n in range(OF_A_KIND)]
    deliveries = [delivery for event in events for delivery in event.deliveries.all()]
    return {
        "subscribers": [each.id for each in subscribers] + [str(each.uid) for each in subscribers],
        "endpoints": [each.id for each in endpoints],
        "secrets": [each.id for each in SigningSecret.objects.all()],
        "events": [each.id for each in events],
        "deliveries": [each.id for each in deliveries],
        "attempts": [AttemptFactory(delivery=delivery).id for delivery in deliveries],
        "jobs": [BulkJobFactory().id for _ in range(OF_A_KIND)],
        "event_types": [EventTypeFactory().name for _ in range(OF_A_KIND)],
        "api_keys": [ApiKeyFactory().id for _ in range(OF_A_KIND)],
        "urls": ["https://receiver.example/hooks"],
    }


def configuration() -> str:
    lines = [CONFIGURATION]
    for name, values in rows().items():
        lines.append(f"[dictionaries.{name}]\nvalues = {json.dumps(values)}")
    for addresses, parameters in DICTIONARIES.items():
        lines.append(f"[[operations]]\ninclude-path-regex = {json.dumps(addresses)}\n[operations.parameters]")
        lines += [f'"{name}" = {{dictionary = "{values}", probability = 0.8}}' for name, values in parameters.items()]
    for method, addresses in MORE_THAN_A_SCHEMA.items():
        lines.append(
            f'[[operations]]\ninclude-method = "{method}"\ninclude-path-regex = {json.dumps(addresses)}\n'
            "checks.positive_data_acceptance.enabled = false"
        )
    # Without workers it is not ready, and says so.
    lines.append('[[operations]]\ninclude-path = "/api/v1/health/ready/"\nchecks.not_a_server_error.enabled = false')
    return "\n".join(lines)


@pytest.mark.parametrize("which", [("--exclude-path-regex", ENDS_KEYS), ("--include-path-regex", ENDS_KEYS)], ids=str)
def test_schemathesis_finds_nothing(which: tuple[str, str], server: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(configuration())
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server}/api/v1/schema/"),
            *which,
            *("--header", f"Authorization: Bearer {ApiKey.objects.generate('schemathesis')[1]}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = (tmp_path / "web.log").read_text().splitlines()
    log = [line for line in lines if "HTTP/1.1" not in line and " WARNING " not in line]
    assert ran.returncode == 0, "\n".join([ran.stdout, ran.stderr, *log[-200:]])
