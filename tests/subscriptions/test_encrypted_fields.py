from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps as global_apps
from django.apps.registry import Apps
from django.core.exceptions import FieldError
from django.db import connection, models

from subscriptions.encrypted_fields import EncryptedJSONField, EncryptedTextField
from subscriptions.encryption import CannotDecrypt
from subscriptions.models import SigningSecret
from subscriptions.reencryption import encrypted_fields
from tests.encryption_keys import FIRST, FIRST_NAME, SECOND, stored, use
from tests.factories import SigningSecretFactory

pytestmark = pytest.mark.django_db(transaction=True)
REGISTRY = Apps(["subscriptions"])


class Credentials(models.Model):
    """A model as another part of the product may have one."""

    note = models.CharField(max_length=20)
    settings = EncryptedJSONField(null=True)
    password = EncryptedTextField(default="")

    class Meta:
        apps = REGISTRY
        app_label = "subscriptions"
        db_table = "tests_credentials"

    def __str__(self) -> str:
        return self.note


@pytest.fixture
def table() -> Iterator[str]:
    with connection.schema_editor() as editor:
        editor.create_model(Credentials)
    yield "tests_credentials"
    with connection.schema_editor() as editor:
        editor.delete_model(Credentials)


@pytest.mark.parametrize("value", [{"client_secret": "geheim", "scopes": ["a"]}, [], "text", 5, False])
def test_json_and_text_are_encrypted_in_the_database_and_plain_in_python(table: str, value: Any):
    Credentials.objects.create(settings=value, password="geheim")
    found = Credentials.objects.get()
    assert (found.settings, found.password) == (value, "geheim")
    for column in ("settings", "password"):
        [text] = stored(table, column)
        assert "geheim" not in text
        assert text.partition(":")[2].startswith("gAAAA")


def test_nothing_stays_nothing(table: str):
    Credentials.objects.create()
    assert stored(table, "settings") == [None]
    found = Credentials.objects.get(settings__isnull=True)
    assert (found.settings, found.password) == (None, "")


def test_every_way_to_write_encrypts(table: str):
    rows = Credentials.objects.bulk_create([Credentials(password=f"geheim-{n}") for n in range(2)])
    for row in rows:
        row.password += "-later"
    Credentials.objects.bulk_update(rows, ["password"])
    Credentials.objects.filter(pk=rows[0].pk).update(password="geheim-updated")
    rows[1].settings = {"a": "geheim"}
    rows[1].save(update_fields=["settings"])
    texts = [text for column in ("password", "settings") for text in stored(table, column) if text]
    assert len(texts) == 3
    assert [text for text in texts if "geheim" in text] == []
    assert list(Credentials.objects.order_by("pk").values_list("password", "settings")) == [
        ("geheim-updated", None),
        ("geheim-1-later", {"a": "geheim"}),
    ]


def test_the_same_text_is_encrypted_differently_each_time(table: str):
    Credentials.objects.bulk_create([Credentials(password="geheim") for _ in range(2)])
    assert len(set(stored(table, "password"))) == 2


@pytest.mark.parametrize("condition", [{"password": "geheim"}, {"password__startswith": "g"}, {"settings__a": 1}])
def test_they_cannot_be_searched(table: str, condition: dict[str, Any]):
    with pytest.raises(FieldError):
        Credentials.objects.filter(**condition)


def test_a_wrong_key_is_an_error_that_names_the_field(table: str, settings: Any):
    use(settings, FIRST)
    SigningSecretFactory()
    use(settings, SECOND)
    with pytest.raises(CannotDecrypt) as refused:
        SigningSecret.objects.get()
    assert str(refused.value).startswith(
        f"subscriptions.SigningSecret.value: What is stored was encrypted with the key {FIRST_NAME}, "
    )


def test_every_model_with_such_a_field_is_found():
    assert [str(field) for field in encrypted_fields(REGISTRY)] == [
        "subscriptions.Credentials.settings",
        "subscriptions.Credentials.password",
    ]
    assert "subscriptions.SigningSecret.value" in [str(field) for field in encrypted_fields(global_apps)]
