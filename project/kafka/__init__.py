"""Celery on Apache Kafka: a kombu transport that loses nothing and shares work among workers.

Importing this package registers the scheme ``kafka://`` with kombu::

    import project.kafka
    app = Celery(broker="kafka://localhost:9092")
"""

from kombu.transport import TRANSPORT_ALIASES

from .errors import BrokerUnavailable, ConfigurationError, MessageTooLarge, PublishFailed
from .transport import Transport

__all__ = ["BrokerUnavailable", "ConfigurationError", "MessageTooLarge", "PublishFailed", "Transport"]

TRANSPORT_ALIASES["kafka"] = f"{__name__}:Transport"
