"""Telling: every notice is written down, for mails and the admin, and published to operators as an event."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from dispatch import operational
from dispatch.models import Notice
from subscriptions import endpoint_urls
from subscriptions.models import Endpoint
from subscriptions.notices import Happened, NoticeKind

logger = logging.getLogger(__name__)

_REASON_LENGTH = 300
# What says how an endpoint does. An endpoint that was enabled begins anew.
_CONDITIONS = [
    NoticeKind.ENDPOINT_FAILING.value,
    NoticeKind.ENDPOINT_RECOVERED.value,
    NoticeKind.ENDPOINT_ENABLED.value,
]


@transaction.atomic
def tell(happened: Happened) -> None:
    """Write a notice of what happened and publish it, in the caller's transaction, unless it was told before."""
    endpoint = None
    if happened.endpoint_id is not None:
        endpoint = Endpoint.objects.select_related("subscriber").filter(pk=happened.endpoint_id).first()
        if endpoint is None:
            # Nobody can do anything about one that was deleted.
            return
    if _was_told(happened):
        return
    data = _data(happened, endpoint)
    notice = Notice(
        kind=happened.kind.value,
        cause=happened.cause,
        endpoint=endpoint,
        reason=happened.reason[:_REASON_LENGTH],
        data=data,
        occurred_at=happened.at,
        once=happened.once,
    )
    if not _write(notice):
        return
    logger.info("%s %s: %s", happened.kind, happened.endpoint_id or "", happened.reason)
    # What happens to operators' own endpoints would be sent to just those, and fail there again.
    if not (happened.is_of_operators or (endpoint is not None and endpoint.subscriber.is_operator)):
        operational.publish(data["type"], data, now=happened.at)


def _was_told(happened: Happened) -> bool:
    """Say whether it is no news: the same failure, told lately, or the end of one that nobody was told of."""
    if happened.kind not in (NoticeKind.ENDPOINT_FAILING, NoticeKind.ENDPOINT_RECOVERED):
        return False
    last = Notice.objects.filter(endpoint=happened.endpoint_id, kind__in=_CONDITIONS).order_by("-id").first()
    is_known_to_fail = last is not None and last.kind == NoticeKind.ENDPOINT_FAILING
    if happened.kind is NoticeKind.ENDPOINT_RECOVERED:
        return not is_known_to_fail
    again_at = happened.at - timedelta(seconds=settings.WEBHOOKS.tell_again)
    return last is not None and is_known_to_fail and last.cause == happened.cause and last.occurred_at > again_at


def _write(notice: Notice) -> bool:
    """Insert the notice, unless somebody else was first. Say whether it is there now by this."""
    if notice.once is None:
        notice.save(force_insert=True)
        return True
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    return Notice.objects.filter(pk=notice.pk).exists()


def _data(happened: Happened, endpoint: Endpoint | None) -> dict[str, Any]:
    """Return what the event says: ids, names, numbers and times, never a secret or a whole URL."""
    data: dict[str, Any] = {
        "type": f"{operational.PREFIX}{happened.kind}",
        "cause": happened.cause,
        "reason": happened.reason,
        "occurred_at": happened.at,
    }
    if endpoint is not None:
        subscriber = endpoint.subscriber
        data["endpoint"] = {
            "id": endpoint.pk,
            "url": endpoint_urls.shortened(endpoint.url),
            "description": endpoint.description,
        }
        data["subscriber"] = {"id": subscriber.pk, "uid": subscriber.uid, "name": subscriber.name}
    return data | dict(happened.facts)
