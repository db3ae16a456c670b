"""All settings, read from the environment; .env.example explains each.

The order of precedence: the process' environment, then `.env`, then `var/run.env` (the addresses of the services
that a running `bin/run` has started, so that plain `manage.py` and `celery` commands join them).
"""

import os
from datetime import timedelta
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from project import confidential, logs

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
for env_file in env.list("ENV_FILES", default=[str(BASE_DIR / ".env"), str(VAR_DIR / "run.env")]):
    if Path(env_file).is_file():
        env.read_env(env_file)
# Secrets may be in files: SECRET_KEY_FILE, BOT_TOKEN_FILE …, see project.confidential.
confidential.read_files(os.environ)

# --- Django ---------------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
SECRET_KEY_IS_GIVEN = bool(SECRET_KEY)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
if not SECRET_KEY:
    # Commands that sign nothing (migrate, worker …) run without one; each process then gets its own.
    from django.core.management.utils import get_random_secret_key

    SECRET_KEY = get_random_secret_key()

# The password of the user `admin` that `manage.py prepare` makes.
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", default="")

# Others can reach the site, by HTTPS alone, which a proxy before it speaks: see docs/operations.md. The proxy's word
# on that is taken where FORWARDED_ALLOW_IPS, a setting of gunicorn's, names its address.
SECURE = env.bool("SECURE", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31536000) if SECURE else 0
# Of the whole domain only its owner can decide.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True

# Who guesses a password at the admin's login is locked out for a while, counted in the database: a login needs that
# anyway, and nothing else. https://django-axes.readthedocs.io/en/latest/4_configuration.html
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURES", default=5)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("LOGIN_LOCKOUT_MINUTES", default=15))
# Both together: by the name alone anybody could lock the admin out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "project.proxies.client_address"
# How many proxies of ours stand before web, each of which adds an address to X-Forwarded-For.
NUM_PROXIES = env.int("NUM_PROXIES", default=0)

INSTALLED_APPS = [
    "project.admin_config.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    # Before the applications whose templates it replaces.
    "project",
    "axes",
    "django_celery_beat",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "project.accounts",
    "rates",
    "notifier",
]

MIDDLEWARE = [
    "project.health.HealthMiddleware",
    "project.trace.TraceMiddleware",
    "project.metrics.web.MetricsMiddleware",
    "project.headers.HeadersMiddleware",
    "project.unavailable.DatabaseAwayMiddleware",
    "project.middleware.errors_are_not_cached",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

# Without secrets; see project.logs. Parts start with INFO (bin/start), other commands tell warnings only.
LOG_FORMAT = env.str("LOG_FORMAT", default="console")
if LOG_FORMAT not in logs.FORMATTERS:
    raise ImproperlyConfigured(f"LOG_FORMAT is {LOG_FORMAT!r}: use one of {', '.join(logs.FORMATTERS)}")
LOG_LEVEL = env.str("LOG_LEVEL", default="WARNING").upper()
LOGGING = logs.config(LOG_LEVEL)
DEFAULT_EXCEPTION_REPORTER_FILTER = "project.error_pages.ReporterFilter"

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Several processes write: readers don't block the writer (WAL), a writer takes its lock at BEGIN instead of
    # failing half-way, and waits for its turn. https://docs.djangoproject.com/en/5.2/ref/databases/#sqlite-notes
    DATABASES["default"]["ENGINE"] = "project.sqlite"
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    VAR_DIR.mkdir(exist_ok=True)
else:
    DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)
    # A machine that is away or hangs answers nothing at all, and nobody may wait for it for ever: for a connection, for
    # what was sent to arrive (milliseconds), for a sign of life, and below for an answer (0: no end, see bin/start).
    DATABASES["default"]["OPTIONS"] = {
        **{"connect_timeout": 5, "tcp_user_timeout": 15_000},
        **{"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3},
        **DATABASES["default"].get("OPTIONS", {}),
    }
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "project.postgres"
    DATABASES["default"]["OPTIONS"]["answer_timeout"] = env.float("DATABASE_TIMEOUT_SECONDS", default=0.0)
# Opening one, SQLite's too, takes longer than the queries of a POST or a task.
DATABASES["default"].setdefault("CONN_MAX_AGE", 60)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
# Static files are served by whitenoise straight from the packages; with a folder here, from what `collectstatic`
# has put into it.
STATIC_ROOT = env.str("STATIC_ROOT", default="") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None

REST_FRAMEWORK = {
    "NUM_PROXIES": NUM_PROXIES,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # The first names the way to authenticate in a 401.
        "project.accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["project.accounts.throttling.CallerThrottle"],
    "EXCEPTION_HANDLER": "project.errors.handler",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Bank of Russia rates",
    "DESCRIPTION": "Rates of the Bank of Russia, and requests that send one by Telegram.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "project.api_document.add_common_answers",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Not the session: that is for the admin's people, who are signed in already.
    "AUTHENTICATION_WHITELIST": ["project.accounts.authentication.BearerAuthentication"],
}
# The largest body that the API reads, in bytes; a rate request takes about 60.
API_MAX_BODY_BYTES = env.int("API_MAX_BODY_BYTES", default=16 * 1024)
# Who has no token may ask too, so have the bot write to anybody: for a machine of one's own (bin/run turns it on).
ALLOW_ANONYMOUS_REQUESTS = env.bool("ALLOW_ANONYMOUS_REQUESTS", default=False)
# How often, as "100/minute" (or second, hour, day); empty: as often as one likes. bin/run sets all to empty.
THROTTLE_TOKEN = env.str("THROTTLE_TOKEN", default="600/minute")
THROTTLE_ANONYMOUS = env.str("THROTTLE_ANONYMOUS", default="")
THROTTLE_TELEGRAM_ID = env.str("THROTTLE_TELEGRAM_ID", default="30/minute")
# How long an Idempotency-Key is remembered.
IDEMPOTENCY_KEY_HOURS = env.int("IDEMPOTENCY_KEY_HOURS", default=24)

# --- Services -------------------------------------------------------------------------------------------------------

KAFKA_BOOTSTRAP_SERVERS = env.list("KAFKA_BOOTSTRAP_SERVERS", default=["127.0.0.1:9092"])
REDIS_URL = env.str("REDIS_URL", default="") or "redis://{}:{}/0".format(
    env.str("REDIS_HOST", default="127.0.0.1"), env.int("REDIS_PORT", default=6379)
)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # Seconds: no request waits longer for a Redis that is away.
        "OPTIONS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0, "retry": Retry(NoBackoff(), 1)},
    }
}

# --- Rates ----------------------------------------------------------------------------------------------------------

# The folder of the Bank of Russia's scripts (XML_daily.asp …).
CBR_URL = env.str("CBR_URL", default="https://www.cbr.ru/scripts/")
CBR_USER_AGENT = env.str("CBR_USER_AGENT", default="celery-kafka-rates/0.1 (+set CBR_USER_AGENT to your contact)")
CBR_CONNECT_TIMEOUT_SECONDS = env.float("CBR_CONNECT_TIMEOUT_SECONDS", default=3.0)
CBR_READ_TIMEOUT_SECONDS = env.float("CBR_READ_TIMEOUT_SECONDS", default=10.0)
CBR_MAX_BYTES = env.int("CBR_MAX_BYTES", default=1024 * 1024)
RATE_CACHE_TTL_SECONDS = env.int("RATE_CACHE_TTL_SECONDS", default=60)

# --- Notifier -------------------------------------------------------------------------------------------------------

BOT_TOKEN = env.str("BOT_TOKEN", default="")
TELEGRAM_API_URL = env.str("TELEGRAM_API_URL", default="https://api.telegram.org")
# The longest that one call of the Bot API may take.
TELEGRAM_TIMEOUT_SECONDS = env.int("TELEGRAM_TIMEOUT_SECONDS", default=10)
# Telegram's limits, for all processes together. Not set: Telegram's own (30, 1 and 20) where messages go to Telegram
# itself, none at another address; 0: none. See notifier.limits.
TELEGRAM_MESSAGES_PER_SECOND = env.float("TELEGRAM_MESSAGES_PER_SECOND", default=None)
TELEGRAM_CHAT_INTERVAL_SECONDS = env.float("TELEGRAM_CHAT_INTERVAL_SECONDS", default=None)
TELEGRAM_GROUP_MESSAGES_PER_MINUTE = env.float("TELEGRAM_GROUP_MESSAGES_PER_MINUTE", default=None)
# The most processes that send at once: while Redis is away, each keeps to this part of the limits.
TELEGRAM_LIMIT_PROCESSES = env.int("TELEGRAM_LIMIT_PROCESSES", default=10)
# Where Telegram posts updates to; empty: the bot asks for them (long polling).
TELEGRAM_WEBHOOK_URL = env.str("TELEGRAM_WEBHOOK_URL", default="")
TELEGRAM_WEBHOOK_SECRET = env.str("TELEGRAM_WEBHOOK_SECRET", default="")
TELEGRAM_WEBHOOK_HOST = env.str("TELEGRAM_WEBHOOK_HOST", default="127.0.0.1")
TELEGRAM_WEBHOOK_PORT = env.int("TELEGRAM_WEBHOOK_PORT", default=8081)
# "telegram", "console", "memory" or the dotted path of a backend class.
NOTIFIER_BACKEND = env.str("NOTIFIER_BACKEND", default="telegram" if BOT_TOKEN else "console")
# Where webhooks may go. Without the first only to https, without the second only to public addresses.
WEBHOOK_ALLOW_HTTP = env.bool("WEBHOOK_ALLOW_HTTP", default=False)
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=False)
# For one webhook, from the connection to the end of the answer.
WEBHOOK_TIMEOUT_SECONDS = env.int("WEBHOOK_TIMEOUT_SECONDS", default=10)
# So many requests may be on their way; beyond that a POST gets 503.
MAX_BACKLOG = env.int("MAX_BACKLOG", default=100000)
# The language of the messages: "ru" or "en".
NOTIFIER_LANGUAGE = env.str("NOTIFIER_LANGUAGE", default="ru")

# How long the request log keeps a request that has ended; 0 keeps all.
REQUESTS_KEPT_DAYS = env.int("REQUESTS_KEPT_DAYS", default=90)

# --- Celery: the broker's settings are all here ---------------------------------------------------------------------

CELERY_BROKER_URL = ";".join(f"kafka://{host}" for host in KAFKA_BOOTSTRAP_SERVERS)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # kombu's own way of connecting for a publish: it would try for six seconds. Who publishes here tries again itself.
    **{"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5},
    # A task's message has about 2 kB: what is much larger is none of ours.
    "max_message_bytes": 256 * 1024,
    # By name: `celery inspect stats` shows these options.
    "signing_key": "env:TASK_SIGNING_KEY" if env.str("TASK_SIGNING_KEY", default="") else "",
    **env.json("KAFKA_TRANSPORT_OPTIONS", default={}),
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# See project.results: no task waits for Redis. The times are seconds.
CELERY_RESULT_BACKEND = f"project.results:RedisBackend+{REDIS_URL}"
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 2.0
CELERY_REDIS_SOCKET_TIMEOUT = 5.0
CELERY_RESULT_EXPIRES = 3600
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "rates"
CELERY_TASK_QUEUES = {"rates": {"routing_key": "rates"}, "notifications": {"routing_key": "notifications"}}
CELERY_TASK_ROUTES = {"rates.*": {"queue": "rates"}, "notifier.*": {"queue": "notifications"}}
# At least once: a task is acknowledged when it has ended, and goes back to the queue when its process dies
# (without the second setting Celery acknowledges a task whose process died).
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TRACK_STARTED = False
CELERY_TASK_SOFT_TIME_LIMIT = env.int("TASK_SOFT_TIME_LIMIT_SECONDS", default=30)
CELERY_TASK_TIME_LIMIT = env.int("TASK_TIME_LIMIT_SECONDS", default=40)
CELERY_WORKER_PREFETCH_MULTIPLIER = env.int("WORKER_PREFETCH_MULTIPLIER", default=4)
CELERY_WORKER_CONSUMER = "project.kafka.worker:Consumer"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "project.beat:Scheduler"
# After a pause of beat, a run is caught up with only if it was due less than this many seconds ago.
CELERY_BEAT_CRON_STARTING_DEADLINE = 300
CELERY_TIMEZONE = "UTC"

# --- What must be seen nowhere, neither in logs nor on error pages: project.redaction takes it out ------------------

CONFIDENTIAL = confidential.values(lambda name: env.str(name, default=""), CELERY_BROKER_TRANSPORT_OPTIONS)
if SECRET_KEY not in CONFIDENTIAL:
    CONFIDENTIAL.append(SECRET_KEY)
