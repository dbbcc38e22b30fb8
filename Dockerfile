# One image for every service: web, workers, beat and migrations differ only in their command (docker-compose.yml).
FROM python:3.11.14-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

RUN groupadd --system --gid 10001 webhooks && \
    useradd --system --uid 10001 --gid webhooks --no-create-home --shell /usr/sbin/nologin webhooks

WORKDIR /app

# Before the code, so that a change of the code does not install everything again.
COPY requirements/runtime.txt requirements/runtime.txt
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements/runtime.txt

# Owned by root: the services can read the code and not change it.
COPY manage.py manage.py
COPY webhooks_project webhooks_project
COPY subscriptions subscriptions
COPY dispatch dispatch

# Django will not start without a SECRET_KEY. This one signs nothing and stays in this one command.
RUN SECRET_KEY=only-to-collect-static-files python manage.py collectstatic --no-input --verbosity 0

USER 10001:10001

EXPOSE 8000

CMD ["granian", "--interface", "wsgi", "webhooks_project.wsgi:application", \
     "--host", "0.0.0.0", \
     "--port", "8000", \
     "--http", "1", \
     "--no-ws", \
     "--workers", "2", \
     "--blocking-threads", "8"]

# For the default command. Shows that a request is answered, and that it reached the database and Redis. Its Host is
# 127.0.0.1, so ALLOWED_HOSTS must contain that. The other services replace this check by their own.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/api/v1/health/ready', timeout=4)"]
