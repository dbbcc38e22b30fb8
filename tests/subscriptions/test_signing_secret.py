from datetime import timedelta

import pytest

from subscriptions.models import SigningSecret
from tests.factories import NOON, SigningSecretFactory

STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.django_db
def test_a_secret_signs_until_it_expires():
    for_good = SigningSecretFactory(expires_at=None)
    still = SigningSecretFactory(expires_at=NOON + timedelta(microseconds=1))
    SigningSecretFactory(expires_at=NOON)
    assert set(SigningSecret.objects.valid(NOON)) == {for_good, still}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(STANDARD, "whsec_AAEC…"), ("my-shared-secret", "…"), ("a" * 37, "…"), ("a" * 38, "aaaaaaaaaa…")],
)
def test_a_secret_is_shown_masked(value: str, shown: str):
    assert str(SigningSecret(value=value)) == shown
