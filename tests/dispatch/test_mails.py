"""Mails about notices: to whom, how many, and through a real mail server."""

import dataclasses
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from dispatch import mailer, mails
from dispatch.models import Mail, Notice
from dispatch.tasks import tell_operators
from subscriptions.models import Endpoint
from tests.dispatch.mail_servers import mail_server, silent_mail_server
from tests.factories import NOON, EndpointFactory, MailFactory, NoticeFactory, SubscriberFactory
from tests.waiting import wait_for
from webhooks_project.settings import CELERY_BEAT_SCHEDULE

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def webhooks(settings: Settings) -> Any:
    """Return a way to change settings of the dispatcher. Ada is told by mail."""

    def change(**values: Any) -> None:
        settings.WEBHOOKS = dataclasses.replace(settings.WEBHOOKS, **values)

    change(operator_emails=("ada@example.com",))
    return change


@pytest.fixture
def smtp(settings: Settings) -> Any:
    """Return a way to name the mail server's port."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"

    def use(port: int) -> None:
        settings.EMAIL_PORT = port

    return use


def written() -> list[tuple[str, str]]:
    return list(Mail.objects.order_by("created_at", "address").values_list("address", "subject"))


def states() -> list[str]:
    return list(Notice.objects.order_by("id").values_list("mail_state", flat=True))


@pytest.mark.django_db
class TestKeeping:
    def test_what_is_old_and_told_is_deleted(self, webhooks: Any) -> None:
        webhooks(notice_retention=DAY.total_seconds())
        NoticeFactory(mail_state="mailed"), NoticeFactory(mail_state="unasked")
        due, kept = NoticeFactory(), NoticeFactory(mail_state="kept")
        MailFactory(due_at=None, sent_at=NOON), MailFactory(due_at=None)
        to_be_sent = MailFactory()
        mails.forget(datetime.now(UTC) + 0.9 * DAY)
        assert (Notice.objects.count(), Mail.objects.count()) == (4, 3)

        mails.forget(datetime.now(UTC) + 1.1 * DAY)
        assert set(Notice.objects.values_list("pk", flat=True)) == {due.pk, kept.pk}
        assert list(Mail.objects.values_list("pk", flat=True)) == [to_be_sent.pk]


@pytest.mark.django_db
class TestWhatIsWritten:
    def test_a_mail_says_what_happened_since_when_and_what_to_do(self, webhooks: Any) -> None:
        webhooks(public_url="https://hooks.example.com")
        endpoint = EndpointFactory(
            subscriber=SubscriberFactory(name="Acme\nLtd."), url="https://receiver.example/hooks/s3cret"
        )
        NoticeFactory(endpoint=endpoint)
        mails.write_due(NOON)
        mail = Mail.objects.get()
        assert (mail.address, mail.due_at) == ("ada@example.com", NOON)
        assert mail.subject == f"[webhooks] Endpoint disabled: {endpoint.id} of Acme Ltd."
        assert mail.body == (
            "This is what the webhook dispatcher has noticed.\n\n"
            f"Endpoint disabled: {endpoint.id} of Acme Ltd.\n"
            "  What: The receiver answered 410 Gone.\n"
            "  When: 2026-03-01 12:00 UTC\n"
            "  What to do: Have the receiver repaired, then enable the endpoint. Nothing is sent to it before.\n"
            f"  https://hooks.example.com/admin/subscriptions/endpoint/{endpoint.id.replace('_', '_5F')}/change/\n"
        )

    def test_of_an_endpoint_and_cause_there_is_one_a_day_and_then_a_digest(self, webhooks: Any) -> None:
        endpoint = EndpointFactory()
        for hours in (0, 1, 2):
            NoticeFactory(endpoint=endpoint, occurred_at=NOON + hours * HOUR)
            mails.write_due(NOON + hours * HOUR)
        assert states() == ["mailed", "kept", "kept"]
        NoticeFactory(endpoint=endpoint, cause="asked", occurred_at=NOON + 3 * HOUR)
        mails.write_due(NOON + 3 * HOUR)
        assert len(written()) == 2
        for hours in (12, 13):
            mails.write_due(NOON + hours * HOUR)
        assert states() == ["mailed", "digested", "digested", "mailed"]
        digest = Mail.objects.order_by("created_at").last()
        assert digest is not None
        assert (Mail.objects.count(), digest.subject) == (3, "[webhooks] Digest of 2026-03-01")
        assert "When: 2 times, from 2026-03-01 13:00 UTC to 2026-03-01 14:00 UTC" in digest.body
        NoticeFactory(endpoint=endpoint, occurred_at=NOON + DAY)
        mails.write_due(NOON + DAY)
        assert len(written()) == 4

    def test_what_is_new_at_the_same_time_is_one_mail(self, webhooks: Any) -> None:
        webhooks(operator_emails=("ada@example.com", "bob@example.com"))
        NoticeFactory.create_batch(120)
        NoticeFactory(kind="backlog.growing", endpoint=None, cause="behind")
        mails.write_due(NOON)
        subject = "[webhooks] 121 notices: backlog growing, endpoint disabled"
        assert written() == [("ada@example.com", subject), ("bob@example.com", subject)]
        assert "And 21 more." in Mail.objects.all()[0].body
        assert set(states()) == {"mailed"}

    def test_a_subscribers_contact_is_told_of_its_own_endpoints_if_that_is_wanted(self, webhooks: Any) -> None:
        webhooks(public_url="https://hooks.example.com")
        acme, other = (SubscriberFactory(contact_email=f"{name}@example.com") for name in ("acme", "other"))
        for subscriber in (acme, other):
            NoticeFactory(endpoint=EndpointFactory(subscriber=subscriber))
        mails.write_due(NOON)
        assert [address for address, _ in written()] == ["ada@example.com"]

        webhooks(mail_subscribers=True, operator_emails=())
        endpoint = EndpointFactory(subscriber=acme)
        NoticeFactory(endpoint=endpoint)
        NoticeFactory(endpoint=EndpointFactory())
        mails.write_due(NOON + HOUR)
        mail = Mail.objects.get(address="acme@example.com")
        assert endpoint.id in mail.body
        assert "hooks.example.com" not in mail.body
        assert Mail.objects.count() == 2
        assert states() == ["mailed", "mailed", "mailed", "unasked"]

    def test_where_nobody_is_told_by_mail_nothing_is_written_or_kept(self, webhooks: Any) -> None:
        webhooks(operator_emails=())
        NoticeFactory()
        mails.write_due(NOON)
        assert (written(), states()) == ([], ["unasked"])


@pytest.mark.django_db
class TestSending:
    def test_a_mail_server_gets_each_mail_once(self, webhooks: Any, smtp: Any, settings: Settings) -> None:
        settings.DEFAULT_FROM_EMAIL = "webhooks@example.com"
        MailFactory(subject="[webhooks] Zoë", body="Grüße\n")
        later = MailFactory(due_at=datetime.now(UTC) + HOUR)
        with mail_server() as server:
            smtp(server.port)
            for _ in range(2):
                mailer.send_due()
        [mail] = server.mails
        sent = Mail.objects.exclude(pk=later.pk).get()
        assert (mail["To"], mail["From"]) == ("ada@example.com", "webhooks@example.com")
        assert (mail["Subject"], mail.get_content().replace("\r\n", "\n")) == ("[webhooks] Zoë", "Grüße\n")
        assert mail["Message-ID"] == f"<{sent.id}@webhooks.invalid>"
        assert (sent.tries, sent.due_at, sent.error) == (1, None, "")
        assert sent.sent_at is not None

    def test_one_that_is_refused_is_tried_again_and_keeps_back_no_other(self, webhooks: Any, smtp: Any) -> None:
        webhooks(mail_schedule=(60.0,))
        first, second = MailFactory(), MailFactory(due_at=NOON + HOUR)
        with mail_server("451 Try again later") as server:
            smtp(server.port)
            mailer.send_due()
            first.refresh_from_db()
            second.refresh_from_db()
            assert second.sent_at is not None
            assert first.error == "SMTPDataError: (451, b'Try again later')"
            assert timedelta(seconds=50) < first.due_at - datetime.now(UTC) <= timedelta(seconds=60)

            Mail.objects.filter(pk=first.pk).update(due_at=NOON)
            mailer.send_due()
        first.refresh_from_db()
        assert (first.tries, first.error, len(server.mails)) == (2, "", 2)

    def test_after_the_last_try_it_is_given_up_and_says_why(
        self, webhooks: Any, smtp: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        webhooks(mail_schedule=())
        mail = MailFactory()
        with mail_server("550 No such user") as server:
            smtp(server.port)
            mailer.send_due()
        mail.refresh_from_db()
        assert (mail.due_at, mail.sent_at, mail.error) == (None, None, "SMTPDataError: (550, b'No such user')")
        assert [record.levelname for record in caplog.records if record.name == "dispatch.mailer"] == ["ERROR"]

    def test_a_mail_server_that_is_not_there_is_left_alone_until_the_next_look(self, webhooks: Any, smtp: Any) -> None:
        MailFactory.create_batch(3)
        smtp(1)
        mailer.send_due()
        assert sorted(Mail.objects.values_list("tries", flat=True)) == [0, 0, 1]

    def test_what_a_lost_sender_had_is_sent_by_another(self, webhooks: Any, smtp: Any) -> None:
        mail = MailFactory()
        assert mail.claim(now=NOON, lease=HOUR)
        assert not Mail.objects.get(pk=mail.pk).claim(now=NOON, lease=HOUR)
        with mail_server() as server:
            smtp(server.port)
            mailer.send_due()
        # The lost one comes back, and changes nothing.
        mail.note_failure("Too late.", due_at=NOON)
        mail.refresh_from_db()
        assert (len(server.mails), mail.tries, mail.error) == (1, 2, "")


@pytest.mark.django_db(transaction=True)
def test_a_mail_server_that_hangs_holds_up_nothing(webhooks: Any, smtp: Any, settings: Settings) -> None:
    settings.EMAIL_TIMEOUT = 1
    mail = MailFactory()
    with silent_mail_server() as port:
        smtp(port)
        for _ in range(2):
            tell_operators(keyword_of_a_later_version=1)
        # It has returned while the mail is under way, and the second found somebody at it.
        wait_for(lambda: Mail.objects.filter(pk=mail.pk, tries=1).exists())
        assert Mail.objects.get().error == ""
        wait_for(lambda: Mail.objects.exclude(error="").exists())
    wait_for(lambda: "mailer" not in [thread.name for thread in threading.enumerate()])
    mail.refresh_from_db()
    assert (mail.tries, mail.error) == (1, "SMTPServerDisconnected: Connection unexpectedly closed: timed out")
    assert mail.due_at > datetime.now(UTC)


@pytest.mark.django_db(transaction=True)
def test_the_task_finds_what_failed_writes_of_it_and_has_it_sent(webhooks: Any, smtp: Any) -> None:
    endpoint: Endpoint = EndpointFactory()
    NoticeFactory(endpoint=endpoint)
    with mail_server() as server:
        smtp(server.port)
        tell_operators()
        wait_for(lambda: Mail.objects.filter(sent_at__isnull=False).exists())
        wait_for(lambda: "mailer" not in [thread.name for thread in threading.enumerate()])
    assert [endpoint.id in str(mail["Subject"]) for mail in server.mails] == [True]


@pytest.mark.django_db(transaction=True)
def test_two_that_write_at_the_same_time_write_each_mail_once(webhooks: Any) -> None:
    NoticeFactory.create_batch(20)
    together = threading.Barrier(4)

    def write() -> None:
        try:
            together.wait()
            mails.write_due(NOON)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [mail] = Mail.objects.all()
    assert mail.subject == "[webhooks] 20 notices: endpoint disabled"


def test_beat_asks_for_it() -> None:
    tasks = [entry["task"] for entry in CELERY_BEAT_SCHEDULE.values()]
    assert tell_operators.name in tasks
