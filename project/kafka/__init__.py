"""Celery on Apache Kafka: a kombu transport that loses nothing and shares work among workers.

Importing this package registers the scheme ``kafka://`` with kombu::

    import project.kafka
    app = Celery(broker="kafka://localhost:9092")
"""

from typing import TYPE_CHECKING, Any

from kombu.transport import TRANSPORT_ALIASES

from .errors import BrokerUnavailable, ConfigurationError, MessageTooLarge, PublishFailed

if TYPE_CHECKING:
    from .transport import Transport

__all__ = ["BrokerUnavailable", "ConfigurationError", "MessageTooLarge", "PublishFailed", "Transport"]

TRANSPORT_ALIASES["kafka"] = f"{__name__}.transport:Transport"


def __getattr__(name: str) -> Any:
    # On first use, not on import: kombu's messages import its JSON, which imports Django where that is installed.
    if name == "Transport":
        from .transport import Transport

        return Transport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
