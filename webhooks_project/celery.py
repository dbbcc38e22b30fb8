"""The Celery application."""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")

app = Celery("webhooks")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def _install_worker_steps(sender: Celery, **_: Any) -> None:
    # Imported late: the application is made before Django's settings are read.
    from dispatch import worker_steps

    worker_steps.install(sender)


@signals.worker_init.connect
def _refuse_to_work_without_key(**_: Any) -> None:
    # Imported late, as above. Celery runs Django's system checks but does not look at what they find.
    from subscriptions import encryption

    try:
        encryption.keyring()
    except encryption.NoKey as error:
        raise SystemExit(f"Error: {error}") from None


@signals.setup_logging.connect
def _leave_logging_to_django(**_: Any) -> None:
    """Do nothing: that somebody listens to this signal keeps Celery from setting up logging of its own."""
