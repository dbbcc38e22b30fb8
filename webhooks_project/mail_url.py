"""The mail server, as `EMAIL_URL` names it."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

# With the port where none is given. `smtp` sends passwords and mails as they are: for a server on the same host.
_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


class InvalidMailUrl(ValueError):
    """`EMAIL_URL` cannot be read. The message says how to write it, and repeats nothing: it has a password."""


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    # Whether the connection becomes encrypted by STARTTLS, or is from the beginning.
    starts_tls: bool = False
    is_tls: bool = False


def read(text: str) -> MailServer | None:
    """Read `smtp+tls://user:password@host:587` and the like, or nothing. Raises `InvalidMailUrl`."""
    if not text.strip():
        return None
    try:
        parts = urlsplit(text.strip())
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise _invalid() from None
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise _invalid()
    return MailServer(
        parts.hostname,
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        starts_tls=parts.scheme == "smtp+tls",
        is_tls=parts.scheme == "smtps",
    )


def _invalid() -> InvalidMailUrl:
    return InvalidMailUrl(
        "EMAIL_URL cannot be read. Write smtp+tls://user:password@host:587 (STARTTLS), smtps://… (TLS) or smtp://… "
        "(neither, for a server on the same host), with special characters in user and password as %XX."
    )
