"""The API's route of the audit log, for admins."""

from rest_framework import serializers

from subscriptions.api.base import ADMINS, Many
from subscriptions.api.fields import STRINGS, AnyJsonField, IdField, MomentField, TextField, TextOrNullField, WordField
from subscriptions.api.serializers import Input
from subscriptions.models import Action, AuditEntry


class AuditEntrySerializer(serializers.Serializer[AuditEntry]):
    id = serializers.CharField()
    action = WordField(Action.choices)
    object_type = serializers.CharField()
    object = serializers.CharField(source="object_id")
    endpoint = TextOrNullField()
    changed_fields = AnyJsonField(shape=STRINGS, source="fields")
    detail = serializers.CharField()
    actor = serializers.CharField()
    client_address = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class AuditFilters(Input):
    action = WordField(Action.choices, required=False)
    object_type = TextField(required=False)
    object = TextField(required=False, source="object_id")
    endpoint = IdField("ep", required=False)
    actor = TextField(required=False)
    created_after = MomentField(required=False, source="created_at__gte")
    created_before = MomentField(required=False, source="created_at__lt")


class AuditLog(Many[AuditEntry]):
    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    filters = AuditFilters
    tenant = None
    readers = ADMINS
