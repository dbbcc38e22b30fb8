import os
import subprocess
import sys

import pytest

from webhooks_project.mail_url import InvalidMailUrl, MailServer, read


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("", None),
        (" ", None),
        ("smtp://localhost", MailServer("localhost", 25)),
        ("smtp://localhost:2525/", MailServer("localhost", 2525)),
        ("smtp+tls://mail.example.com", MailServer("mail.example.com", 587, starts_tls=True)),
        (
            "smtp+tls://ada%40example.com:p%3Aw%2F@mail.example.com:2587",
            MailServer("mail.example.com", 2587, "ada@example.com", "p:w/", starts_tls=True),
        ),
        ("smtps://ada:geheim@[2001:db8::1]", MailServer("2001:db8::1", 465, "ada", "geheim", is_tls=True)),
    ],
)
def test_a_mail_server_is_read(text: str, server: MailServer | None) -> None:
    assert read(text) == server


@pytest.mark.parametrize(
    "text", ["mail.example.com", "http://ada:geheim@mail", "smtp://", "smtp://ada:geheim@mail:x", "smtp://mail/?tls"]
)
def test_what_cannot_be_read_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidMailUrl, match=r"EMAIL_URL cannot be read\. Write smtp") as invalid:
        read(text)
    assert "geheim" not in str(invalid.value)


def test_a_password_is_not_shown() -> None:
    assert "geheim" not in repr(read("smtp://ada:geheim@mail"))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"WEBHOOKS_OPERATOR_EMAILS": "ada@example.com"}, "EMAIL_URL is not set, so nobody can be told by mail."),
        ({"EMAIL_URL": "localhost"}, "EMAIL_URL cannot be read."),
        ({"WEBHOOKS_OPERATOR_EMAILS": "ada@example.com", "EMAIL_URL": "smtps://mail.example.com"}, "465 True False"),
    ],
)
def test_the_settings_name_the_mail_server_or_say_what_is_missing(variables: dict[str, str], said: str) -> None:
    show = "from webhooks_project.settings import *; print(EMAIL_PORT, EMAIL_USE_SSL, EMAIL_USE_TLS)"
    ran = subprocess.run(
        [sys.executable, "-c", show], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert said in ran.stdout + ran.stderr
