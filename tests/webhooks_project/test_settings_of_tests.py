"""A process that a test starts sees the test's database and Redis."""

import subprocess
import sys

import pytest
import redis
from django.conf import settings

from subscriptions.models import Subscriber


@pytest.mark.django_db(transaction=True)
def test_a_process_of_a_test_shares_its_database_and_redis(process_environment: dict[str, str]) -> None:
    subscriber = Subscriber.objects.create(name="Acme")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.set("left-by-the-test", "here", ex=60)
    code = (
        "import os, redis; from subscriptions.models import Subscriber; "
        "print(Subscriber.objects.get().pk, redis.Redis.from_url(os.environ['REDIS_URL']).get('left-by-the-test'))"
    )
    shell = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=settings.BASE_DIR,
        env=process_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (shell.stdout, shell.stderr) == (f"{subscriber.pk} b'here'\n", "")
