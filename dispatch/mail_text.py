"""What stands in mails about notices: plain text. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from subscriptions.notices import NoticeKind

# Of what one mail tells; the rest is counted.
SHOWN = 100
_SUBJECT_LENGTH = 150
_LINE_LENGTH = 500
_MARK = "[webhooks]"

_HEADINGS = {
    NoticeKind.ENDPOINT_DISABLED: "Endpoint disabled",
    NoticeKind.ENDPOINT_ENABLED: "Endpoint enabled",
    NoticeKind.ENDPOINT_FAILING: "Endpoint failing",
    NoticeKind.ENDPOINT_RECOVERED: "Endpoint recovered",
    NoticeKind.ENDPOINT_SECRET_ROTATED: "Signing secret rotated",
    NoticeKind.DELIVERY_EXHAUSTED: "Deliveries failed",
    NoticeKind.CERTIFICATE_EXPIRING: "Certificate expiring",
    NoticeKind.BACKLOG_GROWING: "Backlog growing",
}
_TO_DO = {
    NoticeKind.ENDPOINT_DISABLED: "Have the receiver repaired, then enable the endpoint. Nothing is sent to it before.",
    NoticeKind.ENDPOINT_ENABLED: "Nothing.",
    NoticeKind.ENDPOINT_FAILING: "Look at the last attempts and tell whoever runs the receiver.",
    NoticeKind.ENDPOINT_RECOVERED: "Nothing.",
    NoticeKind.ENDPOINT_SECRET_ROTATED: "See that the receiver has the new secret before the old ones end.",
    NoticeKind.DELIVERY_EXHAUSTED: "Look at the last attempts. These deliveries are not tried again by themselves.",
    NoticeKind.CERTIFICATE_EXPIRING: "Put a new certificate in its place before that.",
    NoticeKind.BACKLOG_GROWING: "See that the workers run and that database and Redis answer; then add workers.",
}


@dataclass(frozen=True, slots=True)
class Item:
    """What a mail tells: something that happened `count` times from `first_at` to `last_at`.

    `about` names an endpoint and its subscriber, or is empty; `link` leads to it in the admin, or is empty.
    """

    kind: NoticeKind
    reason: str
    first_at: datetime
    last_at: datetime
    count: int = 1
    about: str = ""
    link: str = ""


def subject_of(items: Sequence[Item]) -> str:
    """Write the subject of a mail that tells of these as they happen."""
    if len(items) == 1:
        return _line(": ".join(filter(None, [f"{_MARK} {_HEADINGS[items[0].kind]}", items[0].about])), _SUBJECT_LENGTH)
    kinds = sorted({_HEADINGS[item.kind].lower() for item in items})
    return _line(f"{_MARK} {len(items)} notices: {', '.join(kinds)}", _SUBJECT_LENGTH)


def subject_of_digest(items: Sequence[Item]) -> str:
    """Write the subject of a mail that tells what else happened on days that are over."""
    days = sorted({f"{moment:%Y-%m-%d}" for item in items for moment in (item.first_at, item.last_at)})
    return _line(f"{_MARK} Digest of {' to '.join(dict.fromkeys([days[0], days[-1]]))}", _SUBJECT_LENGTH)


def body_of(items: Sequence[Item], *, opening: str) -> str:
    """Write the body of a mail that tells of these, after one sentence in front."""
    parts = [opening, *(_paragraph(item) for item in items[:SHOWN])]
    if len(items) > SHOWN:
        parts.append(f"And {len(items) - SHOWN} more.")
    return "\n\n".join(parts) + "\n"


def _paragraph(item: Item) -> str:
    moments = f"{item.first_at:%Y-%m-%d %H:%M} UTC"
    if item.count > 1:
        moments = f"{item.count} times, from {moments} to {item.last_at:%Y-%m-%d %H:%M} UTC"
    lines = [
        _line(": ".join(filter(None, [_HEADINGS[item.kind], item.about]))),
        f"  What: {_line(item.reason)}",
        f"  When: {moments}",
        f"  What to do: {_TO_DO[item.kind]}",
    ]
    return "\n".join([*lines, f"  {item.link}"] if item.link else lines)


def _line(text: str, length: int = _LINE_LENGTH) -> str:
    """Put on one line what people may have written on several: a header has one."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:length]
