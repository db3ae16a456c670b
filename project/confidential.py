"""Settings that are nobody's business, from the environment or from files (as Docker's and Kubernetes' secrets are).

`NAME_FILE` names a file that holds what else `NAME` would.
"""

from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

NAMES = (
    "SECRET_KEY",
    "ADMIN_PASSWORD",
    "BOT_TOKEN",
    "DATABASE_URL",
    "REDIS_URL",
    "KAFKA_TRANSPORT_OPTIONS",
    "TASK_SIGNING_KEY",
    "TELEGRAM_WEBHOOK_SECRET",
)
#: Of the transport's options: librdkafka's settings that are secrets.
SECRET_OPTIONS = ("password", "secret", "key.pem", "sasl.oauthbearer.config")


def read_files(env: MutableMapping[str, str]) -> None:
    """Sets each NAME whose file is named. Raises ImproperlyConfigured for both at once, and for a file that can't be
    read or is empty."""
    for name in NAMES:
        file = env.get(f"{name}_FILE", "")
        if not file:
            continue
        if env.get(name):
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: which is it to be?")
        try:
            text = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE={file} can't be read: {error}") from error
        if not text:
            raise ImproperlyConfigured(f"{name}_FILE={file} is empty")
        # The file's name goes: settings may be read again by a child.
        env[name] = text
        del env[f"{name}_FILE"]


def values(read: Callable[[str], str], options: dict[str, Any]) -> list[str]:
    """Every string that must be seen nowhere: keys and tokens, passwords in URLs, secrets among Kafka's options.

    `read` tells a setting by its name, "" where it isn't set.
    """
    found = [read(name) for name in ("SECRET_KEY", "ADMIN_PASSWORD", "BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET")]
    found += read("TASK_SIGNING_KEY").split()
    found.append(read("BOT_TOKEN").partition(":")[2])
    found += [unquote(urlsplit(read(name)).password or "") for name in ("DATABASE_URL", "REDIS_URL")]
    found += [str(value) for name, value in options.items() if any(part in name for part in SECRET_OPTIONS)]
    return [value for value in found if value]
