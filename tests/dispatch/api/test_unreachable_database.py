"""With a database that is not there, in a process of its own: in this one there is one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

NO_DATABASE = "The database cannot be reached: check that it runs and that DATABASE_URL is right."
ASK = """
import json, sys, time, django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False, headers={"Authorization": "Bearer whk_some"})
answers = []
for method, path in (("GET", "deliveries/"), ("POST", "events/"), ("GET", "health/ready"), ("GET", "health/live")):
    started = time.monotonic()
    response = client.generic(method, "/api/v1/" + path, '{"type": "a.b", "data": 1}', "application/json")
    assert time.monotonic() - started < 4
    answers.append([response.status_code, response.headers["Content-Type"], response.json()])
print(json.dumps(answers))
"""


def answers_with(database_url: str) -> list[Any]:
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": "only-for-tests",
        "ALLOWED_HOSTS": "testserver",
        "DJANGO_SETTINGS_MODULE": "webhooks_project.settings",
    }
    process = subprocess.run(
        [sys.executable, "-c", ASK],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Traceback" not in process.stderr
    return list(json.loads(process.stdout))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_answer_says_so_without_a_stack_trace(kind: str, tmp_path: Path):
    database_url = {
        "sqlite": f"sqlite:///{tmp_path}/no-such-folder/db.sqlite3",
        "postgresql": "postgres://user:a-password@127.0.0.1:1/webhooks",
    }[kind]
    *refused, ready, live = answers_with(database_url)
    problem = {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The database cannot be reached or is busy. Try again in a moment; "
        "if it stays so, check that it runs and that DATABASE_URL is right.",
        "errors": [],
    }
    assert refused == [[503, "application/problem+json", problem]] * 2
    checks = {"database": NO_DATABASE, "redis": "ok"}
    assert ready == [503, "application/problem+json", problem | {"detail": NO_DATABASE, "checks": checks}]
    assert live == [200, "application/json", {"status": "ok"}]
