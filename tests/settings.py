"""The product's settings for tests: on SQLite and an embedded server unless DATABASE_URL and REDIS_URL name others.

Each pytest-xdist worker has its own database and its own Redis.
"""

import atexit
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from webhooks_project import embedded_redis

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
# mypy reads these settings too. It needs no server, and would end without clearing away what was made here.
_TESTING = "PYTEST_VERSION" in os.environ
if _TESTING:
    _DIRECTORY = tempfile.TemporaryDirectory(prefix="webhooks-tests-")
    atexit.register(_DIRECTORY.cleanup)


def _redis_url() -> str:
    given = os.environ.get("REDIS_URL", "")
    if not _TESTING:
        return given or "redis://unused.invalid"
    # pytest's first process loads these settings too, before it starts the xdist workers, and they inherit
    # what it set: its server is not theirs. What a test starts shares the server of the test's process.
    owner, _, embedded = os.environ.get("TESTS_EMBEDDED_REDIS", "").partition(" ")
    if not given or (given == embedded and owner != f"owner:{_WORKER}"):
        server = embedded_redis.start(Path(_DIRECTORY.name) / "redis")
        atexit.register(server.stop)
        os.environ["TESTS_EMBEDDED_REDIS"] = f"owner:{_WORKER} {server.url}"
        return server.url
    if _WORKER and given != embedded:
        return urlsplit(given)._replace(path=f"/{_WORKER.removeprefix('gw')}").geturl()
    return given


os.environ["REDIS_URL"] = _redis_url()
os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("WEBHOOKS_ENCRYPTION_KEYS", "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMDE=")

from webhooks_project.settings import *  # noqa: E402, F403
from webhooks_project.settings import DATABASES  # noqa: E402

if _TESTING and DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: real workers in processes of their own open it too.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(_DIRECTORY.name) / "test.sqlite3")}

# Every test client would otherwise look through all static files, and warn that nobody collected them.
WHITENOISE_AUTOREFRESH = True
# The real one is slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
