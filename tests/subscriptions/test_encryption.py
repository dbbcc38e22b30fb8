import base64

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.encryption import CannotDecrypt, Keyring, NoKey
from tests.encryption_keys import FIRST, FIRST_NAME, SECOND, SECOND_NAME, THIRD


def test_what_is_stored_names_its_key_and_is_a_fernet_token():
    stored = Keyring([FIRST, SECOND]).encrypt("my-shared-secret")
    name, _, token = stored.partition(":")
    assert name == FIRST_NAME
    assert Fernet(FIRST).decrypt(token) == b"my-shared-secret"


def test_the_first_key_encrypts_and_all_decrypt():
    old = Keyring([SECOND]).encrypt("old")
    both = Keyring([FIRST, SECOND])
    assert both.decrypt(old) == "old"
    assert both.encrypt("new").startswith(FIRST_NAME)


@given(st.text())
def test_every_text_comes_back(text: str):
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    assert Keyring([FIRST]).decrypt(Keyring([FIRST]).encrypt(text)) == text


def test_a_key_may_be_written_in_either_base64():
    key = bytes(range(224, 256))
    stored = Keyring([base64.urlsafe_b64encode(key).decode()]).encrypt("text")
    assert Keyring([base64.b64encode(key).decode()]).decrypt(stored) == "text"


def test_a_wrong_key_is_an_error_that_names_both():
    stored = Keyring([FIRST]).encrypt("my-shared-secret")
    with pytest.raises(CannotDecrypt) as refused:
        Keyring([SECOND]).decrypt(stored)
    assert str(refused.value) == (
        f"What is stored was encrypted with the key {FIRST_NAME}, "
        f"which is not among WEBHOOKS_ENCRYPTION_KEYS ({SECOND_NAME})."
    )
    # Nothing of the cause is chained to it, which a log would write too.
    assert refused.value.__suppress_context__


def test_what_was_changed_is_an_error():
    stored = Keyring([FIRST]).encrypt("my-shared-secret")
    changed = stored[:-10] + ("A" if stored[-10] != "A" else "B") + stored[-9:]
    with pytest.raises(CannotDecrypt, match=f"is damaged. It was encrypted with the key {FIRST_NAME}"):
        Keyring([FIRST]).decrypt(changed)


@pytest.mark.parametrize(
    "stored", ["", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "a:b", ":", "é" * 8 + ":é"]
)
def test_what_was_never_encrypted_is_an_error_and_never_a_value(stored: str):
    with pytest.raises(CannotDecrypt) as refused:
        Keyring([THIRD]).decrypt(stored)
    assert "AAECAwQF" not in str(refused.value)


def test_without_a_key_nothing_is_done():
    with pytest.raises(NoKey, match="WEBHOOKS_ENCRYPTION_KEYS is not set"):
        Keyring([])
