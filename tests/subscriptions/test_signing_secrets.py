import base64

import pytest

from subscriptions import signing_secrets

# The bytes 0 to 31.
KNOWN = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def of_bytes(count: int) -> str:
    return "whsec_" + base64.b64encode(bytes(count)).decode()


def test_a_new_secret_is_32_random_bytes():
    one, other = signing_secrets.generate(), signing_secrets.generate()
    assert one != other
    assert one.startswith("whsec_")
    assert len(base64.b64decode(one.removeprefix("whsec_"), validate=True)) == 32
    assert signing_secrets.check_standard(one) == one


@pytest.mark.parametrize("text", [KNOWN, of_bytes(24), of_bytes(64)])
def test_a_standard_secret_is_returned(text: str):
    assert signing_secrets.check_standard(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "A standard signing secret starts with whsec_."),
        ("a-shared-secret-of-some-length", "A standard signing secret starts with whsec_."),
        ("whsec_not base64!", "What follows whsec_ must be base64 with padding."),
        (KNOWN.rstrip("="), "What follows whsec_ must be base64 with padding."),
        ("whsec_é", "What follows whsec_ must be base64 with padding."),
        (of_bytes(23), "A signing secret must be 24 to 64 bytes long, this one is 23."),
        (of_bytes(65), "A signing secret must be 24 to 64 bytes long, this one is 65."),
    ],
)
def test_another_text_is_not_a_standard_secret(text: str, message: str):
    with pytest.raises(signing_secrets.InvalidSecret) as refused:
        signing_secrets.check_standard(text)
    assert str(refused.value) == message


@pytest.mark.parametrize("text", ["a" * 16, "a" * 256, "pässword-of-some-length", KNOWN])
def test_a_plain_secret_is_returned(text: str):
    assert signing_secrets.check_text(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" * 15, "A signing secret must be 16 to 256 characters long, this one is 15."),
        ("a" * 257, "A signing secret must be 16 to 256 characters long, this one is 257."),
        ("a secret with spaces", "A signing secret must not contain spaces or control characters."),
        ("a-secret-and-a-line\n", "A signing secret must not contain spaces or control characters."),
    ],
)
def test_another_text_is_not_a_plain_secret(text: str, message: str):
    with pytest.raises(signing_secrets.InvalidSecret) as refused:
        signing_secrets.check_text(text)
    assert str(refused.value) == message
