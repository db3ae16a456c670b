"""What is unsafe among the settings of a service that others can reach: `manage.py check --deploy` lists it.

Errors (E) are holes; warnings (W) are for whoever runs it to judge: a network of one's own may do without TLS. Where
SECURE is set, `bin/start prepare` refuses to go on with an error. Django's own checks stand beside these.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ValidationError

SHORTEST_KEY = 50
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1", "")
#: In docker-compose.yml and its example, so known to all.
KNOWN_PASSWORDS = frozenset({"rates", "postgres", "secret", "password"})


@register(Tags.security, deploy=True)
def check_web(**_: Any) -> Iterator[CheckMessage]:
    if settings.DEBUG:
        hint = "Unset DEBUG: its pages show the code and much of the settings."
        yield Error("DEBUG is on.", hint=hint, id="project.E001")
    if "*" in settings.ALLOWED_HOSTS:
        hint = "Name the hosts of the site: whoever can choose the name can poison links and caches."
        yield Error("ALLOWED_HOSTS allows any name.", hint=hint, id="project.E002")
    if not settings.SECRET_KEY_IS_GIVEN or len(settings.SECRET_KEY) < SHORTEST_KEY:
        what = "is too short" if settings.SECRET_KEY_IS_GIVEN else "is not set, so each process makes its own"
        hint = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        yield Error(f"SECRET_KEY {what}.", hint=hint, id="project.E003")
    if plain := [origin for origin in settings.CSRF_TRUSTED_ORIGINS if not origin.startswith("https://")]:
        hint = "Only what comes by HTTPS can be trusted."
        yield Error(f"CSRF_TRUSTED_ORIGINS has {', '.join(plain)}.", hint=hint, id="project.E004")
    if not settings.SECURE:
        hint = "SECURE=true, behind a proxy that speaks HTTPS; see docs/operations.md."
        yield Error("SECURE is off: cookies and pages go by plain HTTP.", hint=hint, id="project.E005")


@register(Tags.security, deploy=True)
def check_passwords(**_: Any) -> Iterator[CheckMessage]:
    if settings.ADMIN_PASSWORD:
        try:
            validate_password(settings.ADMIN_PASSWORD)
        except ValidationError as error:
            yield Error("ADMIN_PASSWORD is weak.", hint=" ".join(error.messages), id="project.E006")
    database = settings.DATABASES["default"]
    if database["HOST"] and database["PASSWORD"] in KNOWN_PASSWORDS | {"", database["USER"]}:
        hint = "Set POSTGRES_PASSWORD, or the password in DATABASE_URL."
        yield Error("The database's password is none, or one that everybody knows.", hint=hint, id="project.E007")


@register(Tags.security, deploy=True)
def check_services(**_: Any) -> Iterator[CheckMessage]:
    """Of services on other machines: whether anybody in between could read along, and whether they ask who one is."""
    if not _kafka_is_safe(settings.KAFKA_BOOTSTRAP_SERVERS, settings.CELERY_BROKER_TRANSPORT_OPTIONS):
        hint = 'KAFKA_TRANSPORT_OPTIONS={"security.protocol": "SASL_SSL", …}, see docs/operations.md.'
        yield Warning("Kafka is reached without TLS.", hint=hint, id="project.W001")
    redis = urlsplit(settings.REDIS_URL)
    if (redis.hostname or "") not in LOOPBACK and not (redis.scheme == "rediss" and redis.password):
        hint = "REDIS_URL=rediss://:password@host:6379/0"
        yield Warning("Redis is reached without TLS or without a password.", hint=hint, id="project.W002")
    database = settings.DATABASES["default"]
    mode = database.get("OPTIONS", {}).get("sslmode", "prefer")
    if database["HOST"] not in LOOPBACK and mode not in ("require", "verify-ca", "verify-full"):
        hint = "DATABASE_URL=postgres://…?sslmode=verify-full&sslrootcert=…"
        yield Warning("PostgreSQL is reached without TLS for sure.", hint=hint, id="project.W003")
    for name in ("TELEGRAM_API_URL", "CBR_URL"):
        url = urlsplit(getattr(settings, name))
        if url.scheme != "https" and (url.hostname or "") not in LOOPBACK:
            yield Warning(
                f"{name} is no HTTPS address.", hint="The Bot API's addresses have the token.", id="project.W004"
            )


def _kafka_is_safe(servers: list[str], options: Mapping[str, Any]) -> bool:
    hosts = {server.rpartition(":")[0] for server in servers}
    return hosts <= set(LOOPBACK) or str(options.get("security.protocol", "")).upper() in ("SSL", "SASL_SSL")
