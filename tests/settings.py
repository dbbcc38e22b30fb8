"""The product's settings, for tests: a Redis server of our own unless REDIS_URL names one."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("SECRET_KEY", "only-for-tests")
from webhooks_project.settings import *  # noqa: E402, F403
