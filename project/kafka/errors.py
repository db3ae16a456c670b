"""One error class per decision the caller takes.

All of them are kombu's ``OperationalError``, which is what Celery catches around a publish.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from click import ClickException
from confluent_kafka import KafkaError, KafkaException
from kombu.exceptions import OperationalError


class BrokerUnavailable(OperationalError, ConnectionError):  # type: ignore[misc]  # kombu is untyped
    """No broker answered in time: connect again later. Celery reconnects on it."""


class AccessDenied(OperationalError):  # type: ignore[misc]
    """The broker refuses who we are, or what we ask for: somebody has to change a password or a right first.

    Not a connection error: a worker stops on it instead of trying for ever.
    """


class PublishFailed(OperationalError):  # type: ignore[misc]
    """The broker didn't confirm a message in time or refused it. It may still have been stored: publishing it again
    can repeat it, not lose it."""


class MessageTooLarge(PublishFailed):
    """The message is larger than the client's or the topic's limit: sending it again can't help."""


class ConfigurationError(ClickException, ValueError):
    """A setting that can't work; the text names the setting and what to do.

    Celery's command line is click's: it says such an error in one line and ends.
    """


class Refused(Exception):
    """What an operator asked for can't be done; the text says why."""


# What a broker says of a group member that has to join again; librdkafka does so by itself.
REJOINING = frozenset(
    {
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._STATE,
    }
)


#: What no waiting mends: somebody has to change a setting or a right. The worker must say so, not sit there silent.
REFUSED = frozenset(
    {
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.UNSUPPORTED_VERSION,
    }
)

UNKNOWN = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC})
#: What passes by itself: a fresh topic gets its leader, a fresh broker its coordinator. The last three are a leader's
#: that knows less of its term than the client (just made topics, seen on Kafka 4.3.1), more, or not yet its own end.
NOT_YET = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError._WAIT_COORD,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        *UNKNOWN,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)

NOT_ALLOWED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
NOT_AUTHENTICATED = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})

T = TypeVar("T")


def checked(client: Callable[..., T], config: Mapping[str, Any]) -> T:
    """A client of librdkafka. Raises ConfigurationError for settings that it refuses."""
    try:
        return client(dict(config))
    except KafkaException as exception:
        raise ConfigurationError(f"librdkafka refuses its settings: {exception.args[0].str()}") from exception


def denied(error: KafkaError, what: str, right: str) -> AccessDenied:
    """The exception for what the broker's ACLs don't allow, with the operation that has to be granted."""
    reason = error.str().rstrip(".")
    return AccessDenied(
        f"the broker does not let this user {what}: {reason}. Grant {right} (docs/transport.md lists all rights)"
    )


def publish_error(error: KafkaError, topic: str, size: int) -> PublishFailed | AccessDenied:
    """The exception for a message of `size` bytes that `topic` didn't take."""
    if error.code() in NOT_ALLOWED:
        return denied(error, f"publish to topic {topic!r}", "Write on it")
    if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE):
        return MessageTooLarge(
            f"a message of {size} bytes is too large for {topic!r}: keep large data elsewhere and send its address, "
            "or raise message.max.bytes here and max.message.bytes of the topic"
        )
    return PublishFailed(f"{topic!r} did not confirm the message: {error.str()}")
