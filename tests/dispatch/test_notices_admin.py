"""Notices and mails in the admin: read, and found by what they are about."""

import pytest
from django.test import Client

from dispatch.models import Mail, Notice
from tests.admin_pages import listed, page, text_of
from tests.factories import MailFactory, NoticeFactory

pytestmark = pytest.mark.django_db


def test_a_notice_says_what_happened_and_who_was_told(admin_client: Client) -> None:
    notice = NoticeFactory(mail_state="kept")
    shown = text_of(admin_client.get(page(notice)))
    assert "The receiver answered 410 Gone." in shown
    assert "Kept for the digest" in shown
    assert "operational.endpoint.disabled" in shown


def test_notices_are_listed_newest_first_and_found_by_endpoint(admin_client: Client) -> None:
    first, second = NoticeFactory.create_batch(2)
    assert listed(admin_client, Notice) == [second, first]
    assert listed(admin_client, Notice, q=first.endpoint_id) == [first]
    assert listed(admin_client, Notice, q=second.endpoint.subscriber_id) == [second]


def test_a_mail_shows_what_became_of_it(admin_client: Client) -> None:
    mail = MailFactory(error="SMTPDataError: (550, b'No such user')", due_at=None)
    other = MailFactory(address="bob@example.com")
    shown = text_of(admin_client.get(page(mail)))
    assert "This is what has happened." in shown
    assert "No such user" in shown
    assert listed(admin_client, Mail) == [other, mail]
    assert listed(admin_client, Mail, q="bob@example.com") == [other]


@pytest.mark.parametrize("factory", [NoticeFactory, MailFactory])
def test_neither_is_written_changed_or_deleted_here(admin_client: Client, factory: type) -> None:
    row = factory()  # type: ignore[operator]
    assert admin_client.get(page(type(row), "add")).status_code == 403
    assert admin_client.post(page(row), {}).status_code == 403
    assert admin_client.post(page(row, "delete"), {"post": "yes"}).status_code == 403
