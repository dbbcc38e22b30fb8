"""A database that is ready to be used: its tables, an administrator and an API key."""

import dataclasses
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from webhooks_project.stack import StackError
from webhooks_project.stack.environment import without_password, write_private


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to get in."""

    base_url: str
    admin_username: str
    admin_password: str
    api_key: str


def install(base_url: str, file: Path) -> Credentials:
    """Bring the database up to date and make sure that the credentials in `file` are good for it.

    What the file of an earlier run says is kept as far as the database knows it. Raises `StackError` if the
    settings or the database cannot be used.
    """
    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise StackError(f"The settings cannot be used: {error}") from None
    # Empty, as static files are served from where they lie, but WhiteNoise would warn without it.
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    # Django's parts can only be imported once it is set up.
    from django.core.management import CommandError, call_command
    from django.db import Error, connections

    try:
        # Its checks also tell of secrets in the database that the keys do not open.
        call_command("migrate", interactive=False, verbosity=0, skip_checks=False)
        credentials = _good_credentials(base_url, _kept(file))
    except (Error, ImproperlyConfigured) as error:
        raise StackError(
            f"The database {without_password(os.environ['DATABASE_URL'])} cannot be used: {error}\n"
            "Start it, correct DATABASE_URL, or unset it to use SQLite."
        ) from None
    except CommandError as error:
        raise StackError(str(error)) from None
    finally:
        connections.close_all()
    write_private(file, json.dumps(dataclasses.asdict(credentials), indent=2) + "\n")
    return credentials


def _kept(file: Path) -> Credentials | None:
    try:
        return Credentials(**json.loads(file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _good_credentials(base_url: str, kept: Credentials | None) -> Credentials:
    from subscriptions.models import ApiKey

    username, password = _administrator(kept)
    api_key = kept.api_key if kept else ""
    if ApiKey.objects.find(api_key) is None:
        _, api_key = ApiKey.objects.generate("Made by the stack")
    return Credentials(base_url, username, password, api_key)


def _administrator(kept: Credentials | None) -> tuple[str, str]:
    from django.contrib.auth.models import User

    if kept and (user := User.objects.filter(username=kept.admin_username).first()):
        # Somebody may have changed the password: that is theirs to know then.
        return user.username, kept.admin_password
    # An `admin` that the file does not know is somebody else's.
    username = "admin" if not User.objects.filter(username="admin").exists() else f"admin-{secrets.token_hex(3)}"
    password = kept.admin_password if kept else secrets.token_urlsafe(15)
    User.objects.create_superuser(username, password=password)
    return username, password
