"""What the routes of one endpoint have in common: they find it, change it and answer with it."""

from typing import Any

from subscriptions.api.base import Single
from subscriptions.api.serializers import EndpointSerializer
from subscriptions.models import Endpoint
from subscriptions.models.endpoint_access import access_changed_at, with_access


class SingleEndpoint(Single[Endpoint]):
    """One endpoint."""

    queryset = with_access(Endpoint.objects.prefetch_related("event_type_patterns"))
    serializer_class = EndpointSerializer
    tenant = "subscriber"

    def stamps(self, row: Endpoint) -> Any:
        # Other credentials may look the same, as most of them is not shown.
        return access_changed_at(row)
