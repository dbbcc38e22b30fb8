"""The Celery application."""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
# Celery runs Django's system checks in a worker and does not look at what they find; they would load the admin, the
# API and the writer of its schema, 10 MB that a worker has no use for. `manage.py check` is for whoever wants to know.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

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
    # Imported late, as above. Of Django's system checks this is the one without which nothing can be sent.
    from subscriptions import encryption

    try:
        encryption.keyring()
    except encryption.NoKey as error:
        raise SystemExit(f"Error: {error}") from None


@signals.setup_logging.connect
def _leave_logging_to_django(**_: Any) -> None:
    """Do nothing: that somebody listens to this signal keeps Celery from setting up logging of its own."""
