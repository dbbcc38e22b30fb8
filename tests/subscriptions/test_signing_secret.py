import pytest

from subscriptions.models import SigningSecret

STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    ("value", "shown"),
    [(STANDARD, "whsec_AAEC…"), ("my-shared-secret", "…"), ("a" * 37, "…"), ("a" * 38, "aaaaaaaaaa…")],
)
def test_a_secret_is_shown_masked(value: str, shown: str):
    assert str(SigningSecret(value=value)) == shown
