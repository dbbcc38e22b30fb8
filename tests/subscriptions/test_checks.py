"""What the system checks say, and which commands and processes go without a key."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.management import execute_from_command_line

from tests.encryption_keys import FIRST, FIRST_NAME, SECOND, SECOND_NAME, use
from tests.factories import SigningSecretFactory

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a process without a key, on a database and a Redis that cannot be there."""
    inherited = {name: text for name, text in os.environ.items() if name != "WEBHOOKS_ENCRYPTION_KEYS"}
    environment = inherited | {
        "DJANGO_SETTINGS_MODULE": "webhooks_project.settings",
        "SECRET_KEY": "only-for-tests",
        "DATABASE_URL": "sqlite:///:memory:",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_database_is_not_migrated_without_a_key():
    ended = run("manage.py", "migrate")
    assert ended.returncode == 1
    assert "(subscriptions.E001) WEBHOOKS_ENCRYPTION_KEYS is not set." in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["check", "makemigrations --check", "rotate_encryption_key"])
def test_without_a_key_commands_fail_with_what_to_do(command: str, settings: Any, capsys: pytest.CaptureFixture[str]):
    use(settings)
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", *command.split()])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "(subscriptions.E001) WEBHOOKS_ENCRYPTION_KEYS is not set." in said
    assert "openssl rand -base64 32" in said


def test_with_a_key_they_don_t():
    assert run("manage.py", "check", WEBHOOKS_ENCRYPTION_KEYS=FIRST).returncode == 0


def test_with_debug_a_key_that_everybody_knows_is_used():
    assert run("manage.py", "check", DEBUG="1").returncode == 0


@pytest.mark.parametrize("command", ["collectstatic --no-input --dry-run", "receive --help", "version"])
def test_some_commands_need_none(command: str):
    # The image is built without one.
    ended = run("manage.py", *command.split())
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_web_server_does_not_start_without_a_key():
    ended = run("-c", "import webhooks_project.wsgi")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(
        "subscriptions.encryption.NoKey: WEBHOOKS_ENCRYPTION_KEYS is not set"
    )


def test_a_worker_does_not_start_without_a_key():
    ended = run("-m", "celery", "-A", "webhooks_project", "worker", "-P", "solo")
    assert ended.returncode == 1
    assert "Error: WEBHOOKS_ENCRYPTION_KEYS is not set" in ended.stderr


@pytest.mark.django_db
class TestKeysThatDoNotOpenWhatIsStored:
    def problems(self) -> list[str]:
        return [str(each) for each in checks.run_checks(tags=[checks.Tags.database], databases=["default"])]

    def test_fail_the_check_before_a_migration(self, settings: Any):
        use(settings, FIRST)
        SigningSecretFactory.create_batch(2)
        use(settings, SECOND)
        [problem] = self.problems()
        assert problem.startswith(
            "?: (subscriptions.E002) 2 values of subscriptions.SigningSecret.value were encrypted with the key "
            f"'{FIRST_NAME}', which is not among WEBHOOKS_ENCRYPTION_KEYS ({SECOND_NAME})."
        )

    def test_are_no_problem_as_long_as_one_of_them_does(self, settings: Any):
        use(settings, FIRST)
        SigningSecretFactory()
        use(settings, SECOND, FIRST)
        assert self.problems() == []
