import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from subscriptions import signing_secrets
from subscriptions.signing_secrets import InvalidSecret, Kind

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


# RFC 8032, section 7.1, test 1.
PRIVATE = (
    "whsk_"
    + base64.b64encode(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")).decode()
)
PUBLIC = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_a_new_ed25519_key_is_32_random_bytes():
    one, other = signing_secrets.generate(Kind.ED25519), signing_secrets.generate(Kind.ED25519)
    assert one != other
    assert one.startswith("whsk_")
    assert len(base64.b64decode(one.removeprefix("whsk_"), validate=True)) == 32
    assert signing_secrets.check_ed25519(one) == one


def test_the_public_key_of_the_rfc():
    assert signing_secrets.public_key(PRIVATE) == PUBLIC


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (KNOWN, "An ed25519 private key starts with whsk_."),
        (PUBLIC, "An ed25519 private key starts with whsk_."),
        (PRIVATE[:-1], "What follows whsk_ must be base64 with padding."),
        ("whsk_AAEC", "An ed25519 private key is 32 bytes long, this one is 3."),
        ("whsk_" + base64.b64encode(bytes(64)).decode(), "An ed25519 private key is 32 bytes long, this one is 64."),
    ],
)
def test_another_text_is_not_a_private_key(text: str, message: str):
    with pytest.raises(InvalidSecret) as refused:
        signing_secrets.check_ed25519(text)
    assert str(refused.value) == message


@pytest.mark.parametrize("text", [PRIVATE, PUBLIC])
def test_a_part_of_a_key_pair_is_no_plain_secret(text: str):
    with pytest.raises(InvalidSecret, match="An ed25519 key signs the standard scheme only"):
        signing_secrets.check_text(text)


@given(st.binary(max_size=80))
def test_as_many_bytes_as_the_specification_allows_are_taken_and_come_back(key: bytes):
    text = "whsec_" + base64.b64encode(key).decode()
    if 24 <= len(key) <= 64:
        assert signing_secrets.check_standard(text) == text
        assert signing_secrets.shared_key(text) == key
    else:
        with pytest.raises(InvalidSecret):
            signing_secrets.check_standard(text)


@given(st.binary(min_size=32, max_size=32))
def test_every_seed_has_a_public_key(seed: bytes):
    public = signing_secrets.public_key("whsk_" + base64.b64encode(seed).decode())
    assert public.startswith("whpk_")
    assert Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))


def complaint(check: Callable[[str], str], text: str) -> str:
    """Return what a check says against a text, nothing if it takes it."""
    try:
        assert check(text) == text
    except InvalidSecret as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    "check", [signing_secrets.check_standard, signing_secrets.check_ed25519, signing_secrets.check_text]
)
@given(
    prefix=st.sampled_from(["", "whsec_", "whsk_", "whpk_"]),
    text=st.text(min_size=8) | st.binary(min_size=8, max_size=70).map(lambda key: base64.b64encode(key).decode()),
)
def test_whatever_is_given_is_taken_or_refused_without_being_repeated(
    check: Callable[[str], str], prefix: str, text: str
):
    assert text not in complaint(check, prefix + text)
