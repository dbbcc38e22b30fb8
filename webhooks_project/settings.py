"""Django, Celery and dispatcher settings. Everything that differs between installations is an environment variable."""

import dataclasses
import os
from datetime import timedelta
from pathlib import Path

import dj_database_url
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from webhooks_project import conf, look, mail_url, version

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    WEBHOOKS = conf.from_environment(os.environ)
except conf.InvalidSetting as error:
    raise ImproperlyConfigured(str(error)) from None

WEBHOOKS_USER_AGENT = f"{version.NAME}/{version.VERSION}"

DEBUG = os.environ.get("DEBUG", "").lower() in {"1", "true", "yes", "on"}
SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Set it to a long random text, start with `make up` (which makes one), "
            "or set DEBUG=1 on your own machine."
        )
    SECRET_KEY = "only-for-debugging"  # noqa: S105
if DEBUG and not WEBHOOKS.encryption_keys:
    WEBHOOKS = dataclasses.replace(WEBHOOKS, encryption_keys=(conf.DEBUG_ENCRYPTION_KEY,))
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if origin]

INSTALLED_APPS = [
    # Before the admin, whose templates and site it replaces.
    "unfold",
    "unfold.contrib.filters",
    # Its pages are registered where they are served from, not in workers: see urls.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "axes",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "subscriptions",
    "dispatch",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webhooks_project.middleware.PolicyOfPages",
    "webhooks_project.middleware.SessionOfPages",
    "django.middleware.common.CommonMiddleware",
    "webhooks_project.middleware.CsrfOfPages",
    "webhooks_project.middleware.AuthenticationOfPages",
    "webhooks_project.middleware.MessageOfPages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "webhooks_project.urls"
WSGI_APPLICATION = "webhooks_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = WEBHOOKS.login_failures
AXES_COOLOFF_TIME = timedelta(seconds=WEBHOOKS.login_pause)
# Whoever guesses passwords locks out himself, and not the user whose name he types.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_LOCKOUT_TEMPLATE = "admin/locked_out.html"
AXES_VERBOSE = False

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = WEBHOOKS.behind_tls
CSRF_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = int(WEBHOOKS.hsts)
if WEBHOOKS.behind_tls:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATABASE_URL = os.environ.get("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'var' / 'webhooks.sqlite3'}"
try:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)}
except ValueError as error:
    raise ImproperlyConfigured(
        f"DATABASE_URL cannot be read: {error} Write it like postgres://user:password@host:5432/name."
    ) from None
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers don't block the writer (WAL), and a transaction that will write takes its turn at the start
    # (IMMEDIATE) instead of failing in the middle with 'database is locked'.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "webhooks_project.postgresql"
    DATABASES["default"]["OPTIONS"] = {
        # A host that swallows packets is an error soon, not a request that hangs for minutes.
        "connect_timeout": 5,
        # Django prepares nothing unless it is told to: planning publishing's statement took longer than running it.
        "prepare_threshold": 0,
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
WHITENOISE_USE_FINDERS = True
UNFOLD = look.UNFOLD

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "subscriptions.api.authentication.ApiKeyAuthentication",
        "subscriptions.api.authentication.StaffSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["subscriptions.api.parsing.JsonBody"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "subscriptions.api.negotiation.MostlyJson",
    "DEFAULT_PAGINATION_CLASS": "subscriptions.api.pagination.NewestFirst",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "subscriptions.api.schema.Description",
    "EXCEPTION_HANDLER": "subscriptions.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
    # No ?format=…: there is JSON.
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Webhook dispatcher",
    "DESCRIPTION": "Publishes events, and says who gets them and how each got there.",
    "VERSION": version.VERSION,
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVERS": [{"url": "/"}],
    "AUTHENTICATION_WHITELIST": ["subscriptions.api.authentication.ApiKeyAuthentication"],
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_SUFFIX": "",
    "ENUM_NAME_OVERRIDES": {
        "DeliveryStatus": "dispatch.models.delivery.STATUS_CHOICES",
        "EndpointState": "subscriptions.models.EndpointState",
        "Outcome": "dispatch.models.delivery.OUTCOME_CHOICES",
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "subscriptions.api.schema.with_problems",
    ],
}

REDIS_URL = os.environ.get("REDIS_URL") or "redis://localhost:6379/0"
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Without time limits on its socket a worker never notices a broker connection that died in silence.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": not REDIS_URL.startswith("unix://"),
    "health_check_interval": 10,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_ROUTES = {"dispatch.tasks.pump": {"queue": "deliveries"}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
# Celery's Django fixup would otherwise close the database connection after each task.
CELERY_DB_REUSE_MAX = 10_000
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "dispatch.tasks.sweep",
        "schedule": WEBHOOKS.sweep_interval,
        "options": {"expires": WEBHOOKS.sweep_interval},
    },
    "forget_idempotent_answers": {
        "task": "dispatch.tasks.forget_idempotent_answers",
        "schedule": crontab(minute="17"),
        "options": {"expires": 1800},
    },
    "heartbeat": {
        "task": "dispatch.tasks.heartbeat",
        "kwargs": {"role": "beat"},
        "schedule": 10,
        "options": {"expires": 10},
    },
    "roll_up": {
        "task": "dispatch.tasks.roll_up",
        "schedule": WEBHOOKS.rollup_interval,
        "options": {"expires": WEBHOOKS.rollup_interval},
    },
    "warn_of_expiring_certificates": {
        "task": "dispatch.tasks.warn_of_expiring_certificates",
        "schedule": crontab(hour="6", minute="0"),
        "options": {"expires": 3600},
    },
    "tell_operators": {
        "task": "dispatch.tasks.tell_operators",
        "schedule": WEBHOOKS.tell_interval,
        "options": {"expires": WEBHOOKS.tell_interval},
    },
}

try:
    MAIL_SERVER = mail_url.read(os.environ.get("EMAIL_URL", ""))
except mail_url.InvalidMailUrl as error:
    raise ImproperlyConfigured(str(error)) from None
if MAIL_SERVER is None and (WEBHOOKS.operator_emails or WEBHOOKS.mail_subscribers):
    raise ImproperlyConfigured(
        "EMAIL_URL is not set, so nobody can be told by mail. Set it to your mail server, such as "
        "smtp+tls://user:password@mail.example.com:587, or take WEBHOOKS_OPERATOR_EMAILS and "
        "WEBHOOKS_MAIL_SUBSCRIBERS away."
    )
if MAIL_SERVER is not None:
    EMAIL_HOST, EMAIL_PORT = MAIL_SERVER.host, MAIL_SERVER.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL_SERVER.user, MAIL_SERVER.password
    EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL_SERVER.starts_tls, MAIL_SERVER.is_tls
EMAIL_TIMEOUT = WEBHOOKS.mail_timeout
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", "webhooks@localhost")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    "loggers": {
        # Two lines for every message that wakes a worker tell nobody anything.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # With DEBUG it would log every statement with its parameters, and so URLs and payloads.
        "django.db.backends": {"level": "INFO"},
    },
}
