import io
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from subscriptions.models import ApiKey, AuditEntry
from tests.factories import SubscriberFactory

SECONDS = 60


def create(name: str) -> tuple[str, str]:
    """Run the command in this process. Return its standard output and standard error."""
    stdout, stderr = io.StringIO(), io.StringIO()
    call_command("create_api_key", name, stdout=stdout, stderr=stderr)
    return stdout.getvalue(), stderr.getvalue()


def process(environment: dict[str, str], name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "create_api_key", name],
        env=environment,
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.django_db
def test_the_key_is_all_of_the_standard_output_and_can_be_used() -> None:
    stdout, _ = create("CI")

    assert stdout.startswith("whk_")
    assert stdout.count("\n") == 1
    found = ApiKey.objects.find(stdout.strip())
    assert found
    assert found.name == "CI"


@pytest.mark.django_db
def test_the_explanation_goes_elsewhere_and_does_not_repeat_the_key() -> None:
    stdout, stderr = create("CI")

    assert "shown this once" in stderr
    assert "Authorization: Bearer <key>" in stderr
    assert stdout.strip() not in stderr


@pytest.mark.django_db
def test_two_keys_of_one_name_differ() -> None:
    assert create("CI")[0] != create("CI")[0]
    assert ApiKey.objects.filter(name="CI").count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "The name does not fit. This field cannot be blank."),
        ("  ", "The name does not fit. This field cannot be blank."),
        ("a\nb", "The name does not fit. Write it in printable characters."),
        ("not UTF-8: \udcff", "The name does not fit. Write it in printable characters."),
        ("x" * 201, "The name does not fit. Ensure this value has at most 200 characters (it has 201)."),
    ],
)
def test_a_name_that_does_not_fit_is_told_in_a_sentence(name: str, expected: str) -> None:
    with pytest.raises(CommandError) as refused:
        create(name)

    assert str(refused.value) == expected
    assert not ApiKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_script_can_take_the_key_from_the_output(process_environment: dict[str, str]) -> None:
    ended = process(process_environment, "CI")

    assert ended.returncode == 0
    assert ApiKey.objects.find(ended.stdout.splitlines()[-1])


def test_a_database_without_tables_is_told_in_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.sqlite3"
    ended = process({**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "webhooks_project.settings"}, "CI")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "CommandError: The database lacks tables or columns of this version. Run `python manage.py migrate` first.\n"
    )


@pytest.mark.django_db
def test_a_key_may_have_a_scope_a_subscriber_and_an_end() -> None:
    acme = SubscriberFactory(uid="acme")
    stdout, stderr = io.StringIO(), io.StringIO()
    options = {"scope": "subscriber", "subscriber": "acme", "expires": "2100-01-31"}
    call_command("create_api_key", "Acme", **options, stdout=stdout, stderr=stderr)

    found = ApiKey.objects.find(stdout.getvalue().strip())
    assert found
    assert (found.scope, found.subscriber) == ("subscriber", acme)
    assert found.expires_at == datetime(2100, 1, 31, tzinfo=UTC)
    assert AuditEntry.objects.get().actor == "manage.py create_api_key"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"scope": "subscriber"},
            "The subscriber does not fit. A key of the scope 'subscriber' needs a subscriber, no other key has one.",
        ),
        ({"scope": "subscriber", "subscriber": "x"}, "There is no subscriber with the id or uid 'x'."),
        (
            {"expires": "soon"},
            "--expires soon cannot be read. Write a date (2030-01-31) or a time (2030-01-31T12:00:00Z).",
        ),
        (
            {"expires": "2020-01-01"},
            "The expires at does not fit. This moment has passed. Write one to come, or none.",
        ),
    ],
)
def test_options_that_do_not_fit_are_told_in_a_sentence(options: dict[str, str], expected: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("create_api_key", "CI", **options)

    assert str(refused.value) == expected
    assert not ApiKey.objects.exists()
