#!/usr/bin/env python
"""Run a management command of the webhook dispatcher.

Where `make up` has run, its servers and keys are used, unless the environment names others.
"""

import os
import sys
from pathlib import Path

ENVIRONMENT = Path(__file__).parent / "var" / "environment"


def main() -> None:
    """Run the command of the command line. A setting that cannot be used is told in a sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
    if ENVIRONMENT.exists() and not {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} & os.environ.keys():
        for line in ENVIRONMENT.read_text().splitlines():
            os.environ.setdefault(*line.split("=", 1))

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
