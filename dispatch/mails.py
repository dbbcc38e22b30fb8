"""Mails about notices: what is written to whom, when, and for how long it is kept. `dispatch.mailer` sends them.

Of one endpoint and cause there is one mail a day, together with all else that is new. The rest of the day is kept for a
digest, which is written once the day (in UTC) is over. Notices move in the transaction that writes the mails: so none
is told twice, and none is lost.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin.utils import quote
from django.db import transaction
from django.db.models import Count, Max, Min, Model, Q, QuerySet
from django.urls import reverse

from dispatch import mail_text
from dispatch.mail_text import Item
from dispatch.models import Mail, MailState, Notice, Watch
from dispatch.selection import made_between
from subscriptions.models import Endpoint
from subscriptions.notices import NoticeKind

AT_ONCE = 1000
_WATCH = "mails"
_OPENING = "This is what the webhook dispatcher has noticed."
_OPENING_OF_DIGEST = "This has happened again since the mails about it."

_Told = list[tuple[Endpoint | None, Item]]


def write_due(now: datetime) -> None:
    """Write the mails that are due: about what is new, and the digest of the days that are over."""
    while _write_new(now):
        pass
    _write_digest(now)


def forget(now: datetime) -> None:
    """Delete the notices and mails that are older than they are kept, but for what is still to be told."""
    before = now - timedelta(seconds=settings.WEBHOOKS.notice_retention)
    told = Notice.objects.exclude(mail_state__in=[MailState.DUE, MailState.KEPT])
    _delete(told.filter(made_between("ntc", None, before)))
    _delete(Mail.objects.filter(made_between("mail", None, before), due_at=None))


def _delete(old: QuerySet[Any]) -> None:
    model: type[Model] = old.model
    while found := list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        model._default_manager.filter(pk__in=found).delete()


@transaction.atomic
def _write_new(now: datetime) -> bool:
    """Write about up to 1,000 notices. Say whether there may be more."""
    # One after the other: two would both take theirs for the first of the day.
    Watch.objects.hold(_WATCH)
    due = list(
        Notice.objects.filter(mail_state=MailState.DUE).select_related("endpoint__subscriber").order_by("pk")[:AT_ONCE]
    )
    mailed_today = _mailed_on(now, due)
    told: _Told = []
    moved: dict[MailState, list[str]] = defaultdict(list)
    for notice in due:
        key = (notice.endpoint_id, notice.kind, notice.cause)
        if not _addresses(notice.endpoint):
            moved[MailState.UNASKED].append(notice.pk)
        elif key in mailed_today:
            moved[MailState.KEPT].append(notice.pk)
        else:
            mailed_today.add(key)
            moved[MailState.MAILED].append(notice.pk)
            told.append((notice.endpoint, _item(notice.kind, notice.reason, notice.occurred_at)))
    _write(told, mail_text.subject_of, _OPENING, now)
    for state, notices in moved.items():
        mailed_on = now.date() if state is MailState.MAILED else None
        Notice.objects.filter(pk__in=notices).update(mail_state=state, mailed_on=mailed_on)
    return len(due) == AT_ONCE


@transaction.atomic
def _write_digest(now: datetime) -> None:
    """Write about what was kept on days that are over, each endpoint and cause once."""
    Watch.objects.hold(_WATCH)
    midnight = datetime.combine(now.date(), time(), tzinfo=UTC)
    kept = Notice.objects.filter(mail_state=MailState.KEPT, occurred_at__lt=midnight)
    groups = list(
        kept.values("endpoint", "kind", "cause")
        .annotate(count=Count("pk"), first_at=Min("occurred_at"), last_at=Max("occurred_at"), reason=Max("reason"))
        .order_by("kind", "endpoint")
    )
    endpoints = Endpoint.objects.select_related("subscriber").in_bulk(
        {group["endpoint"] for group in groups if group["endpoint"]}
    )
    told = [
        (
            endpoints.get(group["endpoint"]),
            replace(
                _item(group["kind"], group["reason"], group["first_at"]),
                last_at=group["last_at"],
                count=group["count"],
            ),
        )
        for group in groups
    ]
    _write(told, mail_text.subject_of_digest, _OPENING_OF_DIGEST, now)
    kept.update(mail_state=MailState.DIGESTED)


def _mailed_on(now: datetime, notices: Iterable[Notice]) -> set[tuple[str | None, str, str]]:
    """Say of which endpoints and causes there was a mail today, among those of `notices`."""
    concerned = Q(endpoint__in={notice.endpoint_id for notice in notices if notice.endpoint_id}) | Q(endpoint=None)
    found = Notice.objects.filter(concerned, mailed_on=now.date())
    return set(found.values_list("endpoint_id", "kind", "cause"))


def _item(kind: str, reason: str, moment: datetime) -> Item:
    return Item(NoticeKind(kind), reason, moment, moment)


def _write(told: _Told, subject_of: Callable[[Sequence[Item]], str], opening: str, now: datetime) -> None:
    """Write one mail to everybody who is told any of these."""
    by_address: dict[str, list[Item]] = defaultdict(list)
    for endpoint, item in told:
        for address in _addresses(endpoint):
            by_address[address].append(_shown(item, endpoint, address))
    Mail.objects.bulk_create(
        Mail(
            address=address,
            subject=subject_of(items),
            body=mail_text.body_of(items, opening=opening),
            created_at=now,
            due_at=now,
        )
        for address, items in by_address.items()
    )


def _addresses(endpoint: Endpoint | None) -> list[str]:
    """Say who is told by mail about an endpoint, or about the dispatcher."""
    addresses: list[str] = [*settings.WEBHOOKS.operator_emails]
    if endpoint is not None and settings.WEBHOOKS.mail_subscribers and endpoint.subscriber.contact_email:
        addresses.append(endpoint.subscriber.contact_email)
    return list(dict.fromkeys(addresses))


def _shown(item: Item, endpoint: Endpoint | None, address: str) -> Item:
    """Say which endpoint it is about, and to operators where they find it."""
    if endpoint is None:
        return item
    about = f"{endpoint.pk} of {endpoint.subscriber.name}"
    link = ""
    if settings.WEBHOOKS.public_url and address in settings.WEBHOOKS.operator_emails:
        link = settings.WEBHOOKS.public_url + reverse("admin:subscriptions_endpoint_change", args=[quote(endpoint.pk)])
    return replace(item, about=about, link=link)
