"""Saving rows that their models accept."""

from collections.abc import Callable, Collection
from typing import TypeVar

from django.db import IntegrityError, models, transaction

from subscriptions.models.audit import Action, Actor, record

M = TypeVar("M", bound=models.Model)


def create_valid(row: M, *, by: Actor) -> M:
    """Save a new row that its model accepts, and who made it.

    Raises Django's `ValidationError`, by field, for one that it refuses, also where somebody else took a
    unique value between the check and the INSERT.
    """
    _save(row, lambda: row.save(force_insert=True), Action.CREATED, by=by)
    return row


def save_valid(row: models.Model, fields: Collection[str], *, by: Actor) -> None:
    """Save these fields of a row, as `create_valid` does with a new one. Raises the same."""
    _save(row, lambda: row.save(update_fields=fields), Action.CHANGED, by=by, fields=fields)


def _save(
    row: models.Model, save: Callable[[], None], action: Action, *, by: Actor, fields: Collection[str] = ()
) -> None:
    row.full_clean()
    try:
        with transaction.atomic():
            save()
            record(action, row, by=by, fields=fields)
    except IntegrityError:
        row.full_clean()
        raise
