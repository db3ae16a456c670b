"""The transport's own options, typed and checked once, and what of them librdkafka has to know."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ssl import CERT_NONE
from typing import Any
from urllib.parse import ParseResult, unquote, urlparse

from .errors import ConfigurationError
from .signing import SHORTEST_KEY, keys_of

#: What kombu and Celery themselves put among the transport options.
FOREIGN_OPTIONS = frozenset(
    "client_properties confirm_publish connect_retries_timeout errback callback interval_max interval_start "
    "interval_step max_retries polling_interval body_encoding deadletter_queue visibility_timeout".split()
)
CONSUMER_SETTINGS = (
    "check.crcs", "enable.partition.eof", "fetch.", "group.", "heartbeat.", "isolation.level",
    "max.partition.fetch.bytes", "max.poll.", "partition.assignment.", "queued.", "session.",
)  # fmt: skip
PRODUCER_SETTINGS = (
    "acks", "batch.", "compression.", "delivery.timeout.ms", "enable.idempotence", "linger.ms", "message.send.",
    "message.timeout.ms", "partitioner", "queue.buffering.", "request.required.acks", "request.timeout.ms", "retries",
    "sticky.", "topic.metadata.propagation.", "transactional.",
)  # fmt: skip
#: Settings of librdkafka without a dot in their name.
DOTLESS = frozenset({"acks", "debug", "oauth_cb", "partitioner", "retries"})
#: What the transport promises rests on these; a setting that breaks it is refused.
OWN_SETTINGS = {
    "enable.auto.commit": "finished tasks are committed by the transport",
    "enable.auto.offset.store": "finished tasks are committed by the transport",
    "group.id": "use the option group_id",
    "acks": "a publish returns when all in-sync replicas have the message",
    "request.required.acks": "a publish returns when all in-sync replicas have the message",
    "message.timeout.ms": "use the option publish_timeout",
    "delivery.timeout.ms": "use the option publish_timeout",
    "session.timeout.ms": "use the option session_timeout",
    "bootstrap.servers": "put the hosts in the broker URL",
    "auto.offset.reset": "what was published before a worker came would be skipped",
    "group.protocol": "use the option protocol",
    "group.instance.id": "it is the worker's name (celery worker -n NAME), see the option static_membership",
}
#: Keys of `broker_use_ssl`, with or without `ssl_` before them.
TLS_FILES = {"ca_certs": "ssl.ca.location", "certfile": "ssl.certificate.location", "keyfile": "ssl.key.location"}
#: Where zero or less means something.
LEAST = {"replication_factor": -1, "delivery_limit": 0, "delay_after": 0.0, "max_message_bytes": 0}
CHOICES = {"protocol": ("classic", "consumer")}


@dataclass(frozen=True, slots=True)
class Options:
    """Own options of `broker_transport_options`; durations are in seconds. The package docstring explains each."""

    topic_prefix: str = ""
    group_id: str = "celery"
    partitions: int = 8
    replication_factor: int = -1
    connect_timeout: float = 4.0
    publish_timeout: float = 10.0
    session_timeout: float = 10.0
    commit_interval: float = 0.05
    revoke_wait: float = 10.0
    max_buffered: int = 256
    delivery_limit: int = 10
    protocol: str = "classic"
    static_membership: bool = True
    delay_after: float = 10.0
    dead_letter_suffix: str = ".dead"
    trim: bool = True
    max_message_bytes: int = 0
    #: Not in the repr.
    signing_key: str = field(default="", repr=False)
    #: Not in the repr: passwords may be among them.
    librdkafka: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Options:
        """Options from `broker_transport_options`; a name with a dot is a setting of librdkafka.

        Raises ConfigurationError for a name that nobody knows, a value of the wrong type or out of range.
        """
        own: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        known = {f.name: f for f in fields(cls) if f.name != "librdkafka"}
        for name, value in given.items():
            if "." in name or name in DOTLESS:
                settings[name] = _librdkafka_setting(name, value)
            elif name in known:
                own[name] = _typed(name, value, getattr(cls(), name))
            elif name not in FOREIGN_OPTIONS:
                raise ConfigurationError(
                    f"unknown transport option {name!r}: the own ones are {', '.join(sorted(known))}; "
                    "librdkafka's have a dot in their name"
                )
        own["signing_key"] = _from_environment(own.get("signing_key", ""))
        if any(len(key) < SHORTEST_KEY for key in keys_of(own["signing_key"])):
            raise ConfigurationError(f"transport option signing_key: a key has at least {SHORTEST_KEY} characters")
        return cls(**own, librdkafka=settings)

    @property
    def keys(self) -> tuple[bytes, ...]:
        return keys_of(self.signing_key)

    @property
    def static(self) -> bool:
        """Whether workers join under their names. In the newer protocol a name is only free again when the session of
        the one that was killed has ended, so there it would do harm."""
        return self.static_membership and self.protocol == "classic"

    @property
    def key(self) -> str:
        """The same for the same options; not to be shown, it has the passwords."""
        return f"{self!r} {self.signing_key} {settings_key(self.librdkafka)}"

    def client_config(self, hosts: str, credentials: Mapping[str, Any]) -> dict[str, Any]:
        return {"bootstrap.servers": hosts, **credentials, **self._settings(())}

    def group_of(self, topic: str) -> str:
        """Each queue has a group of its own: see consumer.py."""
        return f"{self.group_id}.{topic}"

    @property
    def reader_group(self) -> str:
        """For clients that read without being members of a group: librdkafka looks for its coordinator anyway."""
        return f"{self.group_id}.reader"

    def consumer_config(self, topic: str) -> dict[str, Any]:
        return {
            "group.id": self.group_of(topic),
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            **self.group_settings(),
            # Partitions that are added while it runs are seen within this time.
            "topic.metadata.refresh.interval.ms": 10_000,
            # What is fetched ahead beyond max_buffered waits inside librdkafka, in this process' memory.
            "queued.min.messages": 1000,
            "queued.max.messages.kbytes": 16 * 1024,
            # So soon it looks whether there is room again. By default that is a second, in which a worker that has
            # emptied its one partition with news gets nothing of the others.
            "fetch.queue.backoff.ms": 20,
            **self._settings(CONSUMER_SETTINGS),
        }

    def producer_config(self) -> dict[str, Any]:
        return {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            # A topic is looked up, or made, before anything is sent to it. One that is gone after that is soon known to
            # be so, and made again, instead of after 30 s.
            "topic.metadata.propagation.max.ms": 1000,
            "message.timeout.ms": int(self.publish_timeout * 1000),
            **self._settings(PRODUCER_SETTINGS),
        }

    def group_settings(self) -> dict[str, Any]:
        """The classic protocol's settings. In the newer one (KIP-848) they are the broker's, and refused here."""
        if self.protocol == "consumer":
            return {"group.protocol": "consumer"}
        session = int(self.session_timeout * 1000)
        return {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session,
            # A member hears of a rebalance in the answer to its heartbeat.
            "heartbeat.interval.ms": min(1000, session // 3),
        }

    def _settings(self, prefixes: tuple[str, ...]) -> dict[str, Any]:
        """librdkafka's settings of one kind of client; with no prefix, those that belong to every kind."""
        special = CONSUMER_SETTINGS + PRODUCER_SETTINGS
        if prefixes:
            return {name: value for name, value in self.librdkafka.items() if name.startswith(prefixes)}
        return {name: value for name, value in self.librdkafka.items() if not name.startswith(special)}


def _from_environment(text: str) -> str:
    """`env:NAME` stands for that variable."""
    prefix, _, name = text.partition("env:")
    if prefix or not name:
        return text
    if not (value := os.environ.get(name, "")):
        raise ConfigurationError(f"transport option signing_key is {text}, and there is no such variable")
    return value


def _librdkafka_setting(name: str, value: Any) -> Any:
    if name in OWN_SETTINGS:
        raise ConfigurationError(f"{name} can't be set: {OWN_SETTINGS[name]}")
    return value


def _typed(name: str, value: Any, default: Any) -> Any:
    kind = type(default)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, (int, float) if kind is float else kind):
        shown = "that" if name == "signing_key" else repr(value)
        raise ConfigurationError(f"transport option {name} must be {kind.__name__}, not {shown}")
    if name in CHOICES and value not in CHOICES[name]:
        raise ConfigurationError(f"transport option {name} must be one of {', '.join(CHOICES[name])}, not {value!r}")
    if kind in (int, float) and value < LEAST.get(name, 1 if kind is int else 1e-9):
        raise ConfigurationError(f"transport option {name} must be {_range(name)}, not {value!r}")
    return kind(value)


def _range(name: str) -> str:
    return f"{LEAST[name]} or more" if name in LEAST else "positive"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the brokers are and who we are to them, from kombu's broker URL and its alternates."""

    hosts: str
    credentials: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_client(cls, client: Any) -> Address:
        """Raises ConfigurationError for a URL that can't be read."""
        urls = [urlparse(url if "://" in url else f"kafka://{url}") for url in client.alt]
        hosts = [_host(url) for url in urls] or [_join(client.hostname or "localhost", client.port)]
        # kombu has decoded these of the first URL already.
        user, password = client.userid, client.password
        if not user:
            named = next((url for url in urls if url.username), None)
            user = unquote(named.username or "") if named else None
            password = unquote(named.password or "") if named else None
        credentials = _tls(client.ssl)
        if user:
            credentials |= {
                "security.protocol": "SASL_SSL" if client.ssl else "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": user,
                "sasl.password": password or "",
            }
        return cls(",".join(hosts), credentials)


def _tls(ssl: Any) -> dict[str, Any]:
    """librdkafka's settings for Celery's `broker_use_ssl`: true, or a dictionary as for other brokers."""
    if not ssl:
        return {}
    settings: dict[str, Any] = {"security.protocol": "SSL"}
    for name, value in (ssl if isinstance(ssl, Mapping) else {}).items():
        short = name.removeprefix("ssl_")
        if short == "cert_reqs":
            settings["enable.ssl.certificate.verification"] = value not in (CERT_NONE, "CERT_NONE", "none")
        elif short in TLS_FILES:
            settings[TLS_FILES[short]] = value
        else:
            raise ConfigurationError(
                f"unknown key {name!r} in broker_use_ssl: it takes {', '.join(TLS_FILES)} and cert_reqs; "
                "for all else there are librdkafka's ssl settings in broker_transport_options"
            )
    return settings


def _host(url: ParseResult) -> str:
    try:
        return _join(url.hostname or "localhost", url.port)
    except ValueError as error:
        # The address alone: a URL may hold a password.
        raise ConfigurationError(
            f"the broker URL has {url.netloc.rpartition('@')[2]!r}, which is not host:port; "
            "several brokers are kafka://a:9092;kafka://b:9092"
        ) from error


def _join(host: str, port: int | None) -> str:
    return f"[{host}]:{port or 9092}" if ":" in host else f"{host}:{port or 9092}"


def settings_key(config: Mapping[str, Any]) -> str:
    """The same for the same settings: clients of them can be shared."""
    return repr(sorted(config.items(), key=lambda item: item[0]))
