"""What one writes first: one Celery task for each delivery, `requests.post`, and the ORM.

The base line. It uses the product's tables, so that the same rows come of it, and nothing else of the product.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")

app = Celery("naive", broker=os.environ["REDIS_URL"].replace("unix://", "redis+socket://", 1))
app.conf.update(
    include=["bench.naive.tasks"],
    task_default_queue="naive",
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    # Without it Celery closes the database connection after every task, which costs half of the speed.
    CELERY_DB_REUSE_MAX=10_000,
)
