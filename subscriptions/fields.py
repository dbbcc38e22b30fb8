"""The model field of public ids."""

import functools
import uuid
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

from subscriptions import ids

if TYPE_CHECKING:
    _TextField = models.Field[str, str]
else:
    _TextField = models.Field


def _new_id(prefix: str) -> str:
    return ids.encode(prefix, ids.uuid7())


class PublicIdField(_TextField):
    """A primary key that is a public id (`evt_…`) in Python and a 16-byte UUID in the database."""

    description = "Public id"

    def __init__(self, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        super().__init__(primary_key=True, editable=False, default=functools.partial(_new_id, prefix))

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, _, _ = super().deconstruct()
        return name, path, [self.prefix], {}

    def get_internal_type(self) -> str:
        return "UUIDField"

    def rel_db_type(self, connection: Any) -> str:
        return str(models.UUIDField().db_type(connection))

    def from_db_value(self, value: uuid.UUID | str | None, expression: Any, connection: Any) -> str | None:
        if value is None:
            return None
        return ids.encode(self.prefix, value if isinstance(value, uuid.UUID) else uuid.UUID(hex=value))

    def to_python(self, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, uuid.UUID):
            return ids.encode(self.prefix, value)
        try:
            ids.decode(self.prefix, str(value))
        except ids.InvalidId as error:
            raise ValidationError(str(error), code="invalid") from error
        return str(value)

    def get_prep_value(self, value: Any) -> uuid.UUID | None:
        value = super().get_prep_value(value)
        if value is None or isinstance(value, uuid.UUID):
            return value
        try:
            return ids.decode(self.prefix, str(value))
        except ids.InvalidId as error:
            raise ValidationError(str(error), code="invalid") from error

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        prepared_value = value if prepared else self.get_prep_value(value)
        if prepared_value is None or connection.features.has_native_uuid_field:
            return prepared_value
        return prepared_value.hex
