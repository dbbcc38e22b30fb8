"""Sending mails, in a thread of its own: a mail server that hangs holds up no task of the process."""

import logging
import smtplib
import threading
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import DatabaseError, connection

from dispatch.models import Mail

logger = logging.getLogger(__name__)

# A mail takes a mail server a dozen answers, each of which may take `WEBHOOKS_MAIL_TIMEOUT`.
_LEASE_TIMEOUTS = 30

_sending = threading.Lock()


def start() -> threading.Thread | None:
    """Begin to send what is due, unless a thread of this process is at it."""
    if not _sending.acquire(blocking=False):
        return None
    thread = threading.Thread(target=_run, name="mailer", daemon=True)
    thread.start()
    return thread


def _run() -> None:
    try:
        send_due()
    except DatabaseError as error:
        logger.warning("the database was not reached, mails will be sent later: %s", error)
    finally:
        connection.close()
        _sending.release()


def send_due() -> None:
    """Send what is due, the oldest first, until nothing is or the mail server is not reached."""
    lease = timedelta(seconds=_LEASE_TIMEOUTS * settings.WEBHOOKS.mail_timeout)
    while (mail := Mail.objects.due(now := datetime.now(UTC)).first()) is not None:
        if mail.claim(now=now, lease=lease) and not _send(mail):
            return


def _send(mail: Mail) -> bool:
    """Send one mail, and note what came of it. Say whether the mail server was there."""
    # The same for each try: who gets a mail twice, because a sender was lost, can tell.
    headers = {"Message-ID": f"<{mail.pk}@webhooks.invalid>"}
    try:
        EmailMessage(mail.subject, mail.body, to=[mail.address], headers=headers).send()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        _note_failure(mail, error)
        # Of these one mail is to blame, of the others the mail server: it is left alone until the next look.
        return isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused | ValueError)
    mail.note_sent(datetime.now(UTC))
    logger.info("sent %s", mail.pk)
    return True


def _note_failure(mail: Mail, error: Exception) -> None:
    schedule = settings.WEBHOOKS.mail_schedule
    is_over = mail.tries > len(schedule)
    due_at = None if is_over else datetime.now(UTC) + timedelta(seconds=schedule[mail.tries - 1])
    mail.note_failure(f"{type(error).__name__}: {error}", due_at=due_at)
    logger.log(logging.ERROR if is_over else logging.WARNING, "%s was not sent, try %d: %s", mail.pk, mail.tries, error)
