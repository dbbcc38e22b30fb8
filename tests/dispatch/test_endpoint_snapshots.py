"""What a worker knows of endpoints, on a real database."""

import uuid
from datetime import timedelta

import pytest
import time_machine

from dispatch.endpoint_snapshots import EndpointSnapshots
from dispatch.signing import Signer
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState, SignatureScheme
from tests.factories import NOON, EndpointFactory, SigningSecretFactory

pytestmark = pytest.mark.django_db


def key_of(endpoint: Endpoint) -> uuid.UUID:
    return ids.decode("ep", endpoint.id)


def test_a_snapshot_holds_what_a_request_needs() -> None:
    endpoint = EndpointFactory(state=EndpointState.PAUSED, signature_scheme=SignatureScheme.BOTH)
    snapshot = EndpointSnapshots().get([key_of(endpoint)], 1.0)[key_of(endpoint)]

    assert (snapshot.id, snapshot.url, snapshot.state) == (key_of(endpoint), endpoint.url, EndpointState.PAUSED)
    secret = endpoint.signing_secrets.get().value
    assert snapshot.signer == Signer((secret,), standard=True, x_signature=True)


def test_secrets_sign_until_they_expire_the_newest_first() -> None:
    endpoint = EndpointFactory(secret=None)
    old = SigningSecretFactory(endpoint=endpoint, expires_at=NOON + timedelta(microseconds=1))
    SigningSecretFactory(endpoint=endpoint, expires_at=NOON)
    new = SigningSecretFactory(endpoint=endpoint)

    with time_machine.travel(NOON, tick=False):
        snapshot = EndpointSnapshots().get([key_of(endpoint)], 1.0)[key_of(endpoint)]
    assert snapshot.signer.secrets == (new.value, old.value)


def test_an_endpoint_that_is_not_there_has_no_snapshot() -> None:
    assert EndpointSnapshots().get([uuid.UUID(int=1)], 1.0) == {}


def test_no_endpoints_have_no_snapshots() -> None:
    assert EndpointSnapshots().get([], 1.0) == {}


def test_a_change_is_seen_within_two_seconds() -> None:
    endpoint, other = EndpointFactory(), EndpointFactory()
    snapshots = EndpointSnapshots()
    before = snapshots.get([key_of(endpoint)], 100.0)[key_of(endpoint)]
    Endpoint.objects.update(url="https://elsewhere.example/")

    assert snapshots.get([key_of(endpoint)], 100.5)[key_of(endpoint)] is before
    assert set(snapshots.get([key_of(other)], 101.5)) == {key_of(other)}
    assert snapshots.get([key_of(endpoint)], 102.0)[key_of(endpoint)].url == "https://elsewhere.example/"


def test_what_is_to_be_forgotten_is_read_again() -> None:
    endpoint = EndpointFactory()
    snapshots = EndpointSnapshots()
    snapshots.get([key_of(endpoint)], 1.0)
    Endpoint.objects.update(state=EndpointState.DISABLED)
    snapshots.forget(key_of(endpoint))

    assert snapshots.get([key_of(endpoint)], 1.0)[key_of(endpoint)].state is EndpointState.DISABLED
