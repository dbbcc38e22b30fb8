from typing import TypeVar

from django.db import IntegrityError, models, transaction

from subscriptions.models.audit import Action, Actor, record

M = TypeVar("M", bound=models.Model)


def create_valid(row: M, *, by: Actor) -> M:
    """Save a new row that its model accepts, and who made it.

    Raises Django's `ValidationError`, by field, for one that it refuses, also where somebody else took a
    unique value between the check and the INSERT.
    """
    row.full_clean()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            record(Action.CREATED, row, by=by)
    except IntegrityError:
        row.full_clean()
        raise
    return row
