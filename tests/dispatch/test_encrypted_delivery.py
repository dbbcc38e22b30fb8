"""Deliveries while keys of encryption are replaced, wrong or missing, with real workers."""

import base64
from typing import Any

import pytest
import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management import call_command

from dispatch.publish import publish_event
from subscriptions.models import SigningSecret
from subscriptions.signing_secrets import Kind
from tests.dispatch.deliveries import endpoint_at, settled
from tests.dispatch.receivers import receiving
from tests.dispatch.workers import working
from tests.encryption_keys import FIRST, FIRST_NAME, SECOND, SECOND_NAME, stored, use

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_goes_on_while_the_key_is_rotated(process_environment: dict[str, str], settings: Any) -> None:
    use(settings, SECOND)
    with (
        working(process_environment, WEBHOOKS_ENCRYPTION_KEYS=f"{FIRST},{SECOND}"),
        receiving() as receiver,
    ):
        endpoint = endpoint_at(receiver.url)
        first = settled(publish_event("invoice.paid", {"amount": 1}).event)
        use(settings, FIRST, SECOND)
        call_command("rotate_encryption_key")
        second = settled(publish_event("invoice.paid", {"amount": 2}).event)

    assert [text.partition(":")[0] for text in stored()] == [FIRST_NAME]
    assert (first.status, second.status) == ("delivered", "delivered")
    secret = endpoint.signing_secrets.get().value
    for received in receiver.received:
        standardwebhooks.Webhook(secret).verify(received.body, dict(received.headers))
    assert len(receiver.received) == 2


def test_with_a_wrong_key_nothing_leaves_and_the_attempts_say_why(
    process_environment: dict[str, str], settings: Any
) -> None:
    use(settings, FIRST)
    with working(process_environment, WEBHOOKS_ENCRYPTION_KEYS=SECOND) as worker, receiving() as receiver:
        secret = endpoint_at(receiver.url).signing_secrets.get().value
        delivery = settled(publish_event("invoice.paid", {"amount": 1}).event)
        log = worker.log

    assert receiver.received == []
    assert delivery.status == "failed"
    assert set(delivery.attempts.values_list("outcome", "error")) == {
        (
            "cannot_build",
            f"Not signed: A signing secret cannot be read. What is stored was encrypted with the key {FIRST_NAME}, "
            f"which is not among WEBHOOKS_ENCRYPTION_KEYS ({SECOND_NAME}).",
        )
    }
    assert "A signing secret cannot be read." in log
    for hidden in (secret, FIRST, SECOND, stored()[0].partition(":")[2]):
        assert hidden not in log


def test_a_signature_of_an_ed25519_key_arrives(process_environment: dict[str, str]) -> None:
    with working(process_environment), receiving() as receiver:
        endpoint = endpoint_at(receiver.url, secret_kind=Kind.ED25519)
        settled(publish_event("invoice.paid", {"amount": 1}).event)

    [received] = receiver.received
    secret = SigningSecret.objects.get(endpoint=endpoint)
    version, _, signature = received.headers["webhook-signature"].partition(",")
    signed = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode() + received.body
    public = base64.b64decode(str(secret.public_key).removeprefix("whpk_"))
    assert version == "v1a"
    Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature), signed)
