"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

from subscriptions import encryption

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")

application = get_wsgi_application()
# No system checks run here: without a key the server is to fail now, not at the first secret.
encryption.keyring()
