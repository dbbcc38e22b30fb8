import io
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from subscriptions import encryption, reencryption
from subscriptions.models import Actor, CustomHeaders, EndpointCredentials, SigningSecret
from tests.encryption_keys import FIRST, FIRST_NAME, SECOND, SECOND_NAME, THIRD, stored, use
from tests.factories import (
    NOON,
    CustomHeadersFactory,
    EndpointCredentialsFactory,
    EndpointFactory,
    SigningSecretFactory,
)

FIELD = "subscriptions.SigningSecret.value"


def rotate(*options: str) -> list[str]:
    said = io.StringIO()
    call_command("rotate_encryption_key", *options, stdout=said)
    # Other models have encrypted fields too, and no rows in these tests.
    return [line for line in said.getvalue().splitlines() if not line.endswith(": 0 values")]


def names() -> list[str]:
    return [text.partition(":")[0] for text in stored()]


def field() -> Any:
    return SigningSecret._meta.get_field("value")


@pytest.fixture
def secrets(db: None, settings: Any) -> dict[str, str]:
    """Make five secrets under the old key, and set a new one before it. Give their texts by id."""
    use(settings, SECOND)
    rows = SigningSecretFactory.create_batch(5, endpoint=EndpointFactory(secret=None))
    use(settings, FIRST, SECOND)
    return {row.id: row.value for row in rows}


def texts() -> dict[str, str]:
    return dict(SigningSecret.objects.values_list("id", "value"))


def test_it_encrypts_anew_in_batches_and_says_how_far_it_is(secrets: dict[str, str], settings: Any):
    assert rotate("--batch-size", "2") == [
        f"{FIELD}: 2 of 5 encrypted anew",
        f"{FIELD}: 4 of 5 encrypted anew",
        f"{FIELD}: 5 of 5 encrypted anew",
        f"{FIELD}: 5 values",
        f"  5 with {FIRST_NAME}, the first key",
    ]
    use(settings, FIRST)
    assert texts() == secrets


def test_a_dry_run_only_tells(secrets: dict[str, str]):
    SigningSecretFactory()
    before = stored()
    assert rotate("--dry-run") == [
        f"{FIELD}: 6 values",
        f"  1 with {FIRST_NAME}, the first key",
        f"  5 with {SECOND_NAME}, an older key",
    ]
    assert stored() == before


def test_broken_off_it_goes_on_where_it_was(secrets: dict[str, str]):
    next(reencryption.reencrypt(field(), encryption.keyring(), batch_size=2))
    done = stored()[:2]
    assert names() == [FIRST_NAME] * 2 + [SECOND_NAME] * 3

    assert rotate()[0] == f"{FIELD}: 3 of 3 encrypted anew"
    assert names() == [FIRST_NAME] * 5
    # What was done is not done again.
    assert stored()[:2] == done
    assert texts() == secrets


def test_run_again_it_has_nothing_to_do(secrets: dict[str, str]):
    rotate()
    before = stored()
    assert rotate() == [f"{FIELD}: 5 values", f"  5 with {FIRST_NAME}, the first key"]
    assert stored() == before


def test_credentials_and_custom_headers_are_encrypted_anew_too(db: None, settings: Any):
    use(settings, SECOND)
    credentials, headers = (
        EndpointCredentialsFactory(endpoint__secret=None),
        CustomHeadersFactory(endpoint__secret=None),
    )
    use(settings, FIRST, SECOND)
    assert sorted(rotate()) == [
        f"  1 with {FIRST_NAME}, the first key",
        f"  1 with {FIRST_NAME}, the first key",
        "subscriptions.CustomHeaders.headers: 1 of 1 encrypted anew",
        "subscriptions.CustomHeaders.headers: 1 values",
        "subscriptions.EndpointCredentials.secret: 1 of 1 encrypted anew",
        "subscriptions.EndpointCredentials.secret: 1 values",
    ]
    use(settings, FIRST)
    assert EndpointCredentials.objects.get().secret == credentials.secret
    assert CustomHeaders.objects.get().headers == headers.headers


def test_what_somebody_changes_meanwhile_stays_changed(secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    first, *_ = secrets
    real: Callable[..., str] = encryption.Keyring.decrypt

    def decrypt_while_another_writes(self: encryption.Keyring, text: str) -> str:
        monkeypatch.setattr(encryption.Keyring, "decrypt", real)
        SigningSecret.objects.filter(pk=first).update(value="whsec_changed-meanwhile")
        return real(self, text)

    monkeypatch.setattr(encryption.Keyring, "decrypt", decrypt_while_another_writes)
    rotate()
    assert texts() == secrets | {first: "whsec_changed-meanwhile"}
    assert names() == [FIRST_NAME] * 5


def test_what_no_key_opens_is_told_and_left_while_the_rest_is_done(secrets: dict[str, str], settings: Any):
    use(settings, THIRD)
    lost = SigningSecretFactory()
    use(settings, FIRST, SECOND)
    with pytest.raises(CommandError) as refused:
        rotate("--batch-size", "2")
    assert str(refused.value) == (f"These could not be read with any of the keys, and were left:\n{FIELD} of {lost.id}")
    assert sorted(names()) == [FIRST_NAME] * 5 + ["ffaa3ef9"]
    assert rotate("--dry-run")[-1] == "  1 with ffaa3ef9, A KEY THAT IS NOT SET"


@pytest.mark.parametrize("text", ["0", "-1", "x", "1e3"])
def test_a_batch_has_rows(text: str):
    with pytest.raises(CommandError, match="is not a number from 1 to 100000"):
        rotate("--batch-size", text)


@pytest.mark.django_db(transaction=True)
def test_readers_and_writers_meanwhile_never_see_anything_but_the_secrets(settings: Any):
    use(settings, SECOND)
    endpoint = EndpointFactory(secret=None)
    rows = SigningSecretFactory.create_batch(200, endpoint=endpoint)
    expected = {row.id: row.value for row in rows}
    use(settings, FIRST, SECOND)
    stop, problems, rounds = threading.Event(), [], []

    def read() -> None:
        try:
            while not stop.is_set():
                rounds.append(len(texts()))
                if wrong := {key: value for key, value in texts().items() if value != expected[key]}:
                    problems.append(wrong)
        finally:
            connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        rotate("--batch-size", "10")
    finally:
        stop.set()
        reader.join()
    assert problems == []
    assert set(rounds) == {200}
    assert set(names()) == {FIRST_NAME}


@pytest.mark.django_db
def test_after_a_key_was_lost_secrets_are_made_anew_as_the_documentation_says(settings: Any):
    text = (Path(__file__).resolve().parents[2] / "docs/security.md").read_text()
    [statement] = re.findall(r"```sql\n(.*?);\n```", text, re.DOTALL)
    use(settings, FIRST)
    endpoint = EndpointFactory()
    use(settings, SECOND)
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("1a2b3c4d", FIRST_NAME).replace("%", "%%"), [])
    new = SigningSecret.objects.rotate(endpoint, now=NOON, by=Actor("user ada"))
    assert texts() == {new.id: new.value}
