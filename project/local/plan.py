"""What bin/run is to start, from the environment and `.env`: decided once, before anything runs."""

import json
import os
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from project import confidential
from project.local import leftovers, ports, private

ROOT = Path(__file__).resolve().parents[2]
#: The embedded broker lets a worker wait for half the session timeout before its first task, and its long poll is a
#: sleep: a record that comes during one waits for its end. It may keep the partitions of a killed static member for
#: ever, and it can't delete records. Short waits are many fetches, and each names all partitions: with these numbers
#: an idle worker takes under three per cent of a core, and a task comes 7 ms later on the average. What the user sets
#: comes on top.
EMBEDDED_OPTIONS = {
    "session_timeout": 4,
    "static_membership": False,
    "trim": False,
    "partitions": 4,
    "fetch.wait.max.ms": 14,
}


class Refused(Exception):
    """bin/run can't start; the message is one line for its user."""


@dataclass
class Plan:
    """`env` is the environment of every process; an embedded service has its port, a given one has None."""

    env: dict[str, str]
    wanted_port: int
    port: int
    kafka_port: int | None
    redis_port: int | None
    redis_password: str = field(repr=False)
    mark: str
    var: Path = ROOT / "var"

    @property
    def logs(self) -> Path:
        return self.var / "log"

    def ready_file(self, part: str) -> Path:
        """Written by the part once it is at work, see project.ready."""
        return self.var / "ready" / part

    def own_env(self, part: str) -> dict[str, str]:
        """What one part has for itself. Each serves its metrics at a port of its own, counted from METRICS_PORT."""
        own = {"READY_FILE": str(self.ready_file(part))}
        if self.env.get("METRICS_PORT") and part in self.parts:
            own["METRICS_PORT"] = str(int(self.env["METRICS_PORT"]) + list(self.parts).index(part))
            own["PROMETHEUS_MULTIPROC_DIR"] = str(self.var / "metrics" / part)
        return own

    @property
    def url(self) -> str:
        host = self.env.get("WEB_HOST", "127.0.0.1")
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self.port}"

    @property
    def bot(self) -> bool:
        return bool(self.env.get("BOT_TOKEN"))

    @property
    def parts(self) -> dict[str, list[str]]:
        """The processes of the service by name, as docker-compose.yml starts them too."""
        parts = {
            "web": ["bin/start", "web"],
            "worker-rates": ["bin/start", "worker", "rates"],
            "worker-notifications": ["bin/start", "worker", "notifications"],
            "beat": ["bin/start", "beat"],
            "relay": ["bin/start", "relay"],
        }
        if self.bot:
            parts["bot"] = ["bin/start", "bot"]
        return parts

    def given_services(self) -> dict[str, list[tuple[str, int]]]:
        """The services that are not ours to start: the addresses of which one has to answer."""
        given = {}
        if self.kafka_port is None:
            given["KAFKA_BOOTSTRAP_SERVERS"] = _hosts(self.env["KAFKA_BOOTSTRAP_SERVERS"])
        if self.redis_port is None:
            url = urlsplit(self.env.get("REDIS_URL", ""))
            host = url.hostname or self.env.get("REDIS_HOST", "127.0.0.1")
            given["REDIS_URL"] = [(host, url.port or int(self.env.get("REDIS_PORT", "6379")))]
        return given


def make() -> Plan:
    """Raises Refused for a setting that can't be."""
    env = _environment()
    # The folder itself is closed: with the database it has what people asked for.
    private.folder(ROOT / "var")
    wanted = _port(env.get("PORT", "8000"))
    port = ports.first_free(wanted, env.get("WEB_HOST", "127.0.0.1"))
    kafka_port = None if env.get("KAFKA_BOOTSTRAP_SERVERS") else ports.free_port()
    given_redis = any(env.get(name) for name in ("REDIS_URL", "REDIS_HOST", "REDIS_PORT"))
    redis_port = None if given_redis else ports.free_port()
    password, mark = secrets.token_urlsafe(24), secrets.token_hex(16)
    env["PORT"] = str(port)
    if env.get("METRICS_PORT"):
        _port(env["METRICS_PORT"], "METRICS_PORT")
    env[leftovers.MARK] = mark
    env.setdefault("SECRET_KEY", "")
    env["SECRET_KEY"] = env["SECRET_KEY"] or private.secret(ROOT / "var" / "secret_key", 48)
    # One's own machine, on loopback: anybody there may ask, and as often as they like, unless settings say otherwise.
    secure = env.get("SECURE", "").lower() in environ.Env.BOOLEAN_TRUE_STRINGS
    env["ALLOW_ANONYMOUS_REQUESTS"] = env.get("ALLOW_ANONYMOUS_REQUESTS") or ("false" if secure else "true")
    for throttle in ("THROTTLE_TOKEN", "THROTTLE_ANONYMOUS", "THROTTLE_TELEGRAM_ID"):
        env.setdefault(throttle, "")
    if kafka_port:
        env["KAFKA_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{kafka_port}"
        env["KAFKA_TRANSPORT_OPTIONS"] = json.dumps(EMBEDDED_OPTIONS | _options(env.get("KAFKA_TRANSPORT_OPTIONS")))
    if redis_port:
        env["REDIS_URL"] = f"redis://:{quote(password)}@127.0.0.1:{redis_port}/0"
    plan = Plan(env, wanted, port, kafka_port, redis_port, password, mark)
    plan.given_services()  # refuses addresses that can't be read
    return plan


def _environment() -> dict[str, str]:
    """The process' own comes before `.env`, as in project.settings; its Python comes first in PATH."""
    env_files = os.environ.setdefault("ENV_FILES", str(ROOT / ".env"))
    for env_file in filter(None, env_files.split(",")):
        if Path(env_file).is_file():
            environ.Env.read_env(env_file)
    try:
        confidential.read_files(os.environ)
    except ImproperlyConfigured as error:
        raise Refused(str(error)) from None
    env = dict(os.environ)
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}"
    env["PYTHONUNBUFFERED"] = "1"
    return env


def _port(text: str, name: str = "PORT") -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise Refused(f"{name}={text} is no TCP port")
    return int(text)


def _options(text: str | None) -> dict[str, Any]:
    try:
        options = json.loads(text or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise Refused(f"KAFKA_TRANSPORT_OPTIONS={text} is no JSON object")
    return options


def _hosts(text: str) -> list[tuple[str, int]]:
    hosts = []
    for address in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise Refused(f"KAFKA_BOOTSTRAP_SERVERS has {address!r}, which is not host:port")
        hosts.append((host.strip("[]"), int(port)))
    return hosts
