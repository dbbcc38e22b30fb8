"""Replacing the encryption key of what is stored, while everything runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.db import models, transaction
from django.db.models.functions import Cast, Substr

from subscriptions.encrypted_fields import EncryptedField
from subscriptions.encryption import NAME_LENGTH, SEPARATOR, CannotDecrypt, Keyring


@dataclass(slots=True)
class Progress:
    """How far a field is: rows that were encrypted anew, and the keys of those that could not be read."""

    done: int = 0
    unreadable: list[str] = field(default_factory=list)


def encrypted_fields(registry: Apps = apps) -> list[EncryptedField]:
    """Find every encrypted field of every model that has a table of its own."""
    return [
        each
        for model in registry.get_models(include_auto_created=True)
        if not model._meta.proxy and model._meta.managed
        for each in model._meta.local_concrete_fields
        if isinstance(each, EncryptedField)
    ]


def count_by_key(of: EncryptedField) -> Mapping[str, int]:
    """Count the rows of a field by the name of the key that encrypted them."""
    rows = _stored(of).annotate(key_name=Substr("stored", 1, NAME_LENGTH))
    counted = rows.order_by("key_name").values_list("key_name").annotate(count=models.Count("pk"))
    return dict(counted)


def reencrypt(of: EncryptedField, keyring: Keyring, *, batch_size: int) -> Iterator[Progress]:
    """Encrypt with the first key what another one encrypted. Yields the progress so far after each batch.

    Can be broken off at any time and begun again: what is done is not found again. A row that somebody else
    changes meanwhile keeps their change.
    """
    progress = Progress()
    left = _stored(of).exclude(stored__startswith=keyring.first + SEPARATOR).order_by("pk")
    after: Any = None
    while batch := list(
        (left if after is None else left.filter(pk__gt=after)).values_list("pk", "stored")[:batch_size]
    ):
        with transaction.atomic():
            for key, stored in batch:
                try:
                    anew = keyring.encrypt(keyring.decrypt(stored))
                except CannotDecrypt:
                    progress.unreadable.append(str(key))
                    continue
                unchanged = _stored(of).filter(pk=key, stored=stored)
                progress.done += unchanged.update(**{of.name: models.Value(anew, output_field=models.TextField())})
        after = batch[-1][0]
        yield progress


def _stored(of: EncryptedField) -> models.QuerySet[models.Model]:
    """Return the rows that have a value, with what is stored, as it is."""
    rows: models.QuerySet[models.Model] = of.model._base_manager.annotate(stored=Cast(of.name, models.TextField()))
    return rows.exclude(stored=None)
