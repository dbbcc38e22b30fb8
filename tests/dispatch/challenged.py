"""What tests of ownership challenges share."""

import json

from subscriptions.models import Endpoint
from tests.dispatch.receivers import Answer
from tests.waiting import wait_for

# Of a worker: one try, and one retry by itself.
ONE_RETRY = {"WEBHOOKS_CHALLENGE_SCHEDULE": "0.1"}


def echo(body: bytes) -> Answer:
    """Answer a challenge as the documentation asks for, and everything else with 200."""
    parsed = json.loads(body)
    if parsed.get("type") != "webhook.challenge":
        return Answer()
    return Answer(body=json.dumps({"challenge": parsed["challenge"]}).encode())


def is_settled(endpoint: Endpoint) -> bool:
    """Say whether nothing more will come of its challenge by itself."""
    endpoint.refresh_from_db()
    return endpoint.challenge_due_at is None and endpoint.challenge_nonce_hash == ""


def wait_for_end(endpoint: Endpoint) -> Endpoint:
    wait_for(lambda: is_settled(endpoint))
    return endpoint
