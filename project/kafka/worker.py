"""Celery's consumer, but what it can't read is kept: set ``worker_consumer = "project.kafka.worker:Consumer"``.

Celery acknowledges a message that it can't decode (pickle where only JSON is accepted, a broken body), which is then
gone. Rejected, it goes to the queue's dead letters.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.worker import consumer

logger = logging.getLogger(__name__)


class Consumer(consumer.Consumer):  # type: ignore[misc]  # Celery has no types
    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        logger.error("a message of the type %s can't be read: %s", message.content_type, exc)
        message.reject_log_error(logger, self.connection_errors)
