"""The API's route of the feed."""

import base64
import binascii
import json
import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch import feed
from dispatch.api.described import FeedSerializer
from dispatch.api.serializers import EventWithDataSerializer, FeedQuery
from subscriptions.api.base import View
from subscriptions.api.pagination import NewestFirst
from subscriptions.api.problems import InvalidParameter


class Feed(View):
    """Read one subscriber's events, oldest first. For those who ask instead of being called."""

    tenant = "subscriber"
    filters = FeedQuery
    page_parameters = frozenset({NewestFirst.page_size_query_param})

    @extend_schema(responses=FeedSerializer)
    def get(self, request: Request) -> Response:
        limit = NewestFirst().get_page_size(request)
        given = {name: text for name, text in request.query_params.items() if name not in self.page_parameters}
        query = self.read(self.filters, given)
        after = _read(query["after"]) if "after" in query else feed.BEGINNING
        page = feed.read(query["subscriber"], after=after, limit=limit, event_type=query.get("event_type"))
        serializer = EventWithDataSerializer()
        return Response(
            {
                "results": [serializer.to_representation(event) for event in page.events],
                "cursor": _written(page.place),
                "has_more": page.has_more,
            }
        )


def _written(place: feed.Place) -> str:
    return base64.urlsafe_b64encode(json.dumps([place.position, place.event_id.hex]).encode()).decode()


def _read(cursor: str) -> feed.Place:
    try:
        position, event = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(position, bool) or not isinstance(position, int) or not -1 <= position < 2**63:
            raise ValueError("this is no position")
        return feed.Place(position, uuid.UUID(hex=event))
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise InvalidParameter({"after": "Take the cursor from a page of the feed."}) from error
