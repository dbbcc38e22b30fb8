"""The one place that hears what operators and subscribers want to know of endpoints."""

import enum
import logging
import uuid

from subscriptions import ids

logger = logging.getLogger(__name__)


class Notice(enum.StrEnum):
    DISABLED = "endpoint.disabled"
    FAILING = "endpoint.failing"
    RECOVERED = "endpoint.recovered"


def note(notice: Notice, endpoint_id: uuid.UUID, text: str) -> None:
    """Tell of an endpoint, in a sentence."""
    level = logging.INFO if notice is Notice.RECOVERED else logging.WARNING
    logger.log(level, "%s %s: %s", notice, ids.encode("ep", endpoint_id), text)
