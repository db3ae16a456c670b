"""Celery's consumer, which loses and repeats less: set ``worker_consumer = "project.kafka.worker:Consumer"``.

Celery acknowledges a message that it can't decode (pickle where only JSON is accepted, a broken body), which is then
gone. Rejected, it goes to the queue's dead letters.

A warm stop of Celery's forgets a task that a process of the prefork pool has been sent, but hasn't said that it begins:
it runs, is not acknowledged and so runs again elsewhere, and its process waits half a minute for someone to hear of its
end (`_ensure_messages_consumed` in billiard). Kept, it is waited for like the tasks that run.
"""

from __future__ import annotations

import logging
from typing import Any

from billiard.pool import CLOSE
from celery.concurrency.asynpool import AsynPool
from celery.worker import consumer

logger = logging.getLogger(__name__)


class Consumer(consumer.Consumer):  # type: ignore[misc]  # Celery has no types
    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        logger.error("a message of the type %s can't be read: %s", message.content_type, exc)
        message.reject_log_error(logger, self.connection_errors)

    def on_close(self) -> None:
        pool = getattr(self.pool, "_pool", None)
        # Also called where the connection is lost: then the broker gives the task to somebody else anyway.
        if not (isinstance(pool, AsynPool) and pool._state == CLOSE):
            super().on_close()
            return
        sent = {number: job for number, job in pool._cache.items() if has_been_sent(job, pool)}
        super().on_close()
        pool._cache.update(sent)


def has_been_sent(job: Any, pool: AsynPool) -> bool:
    """Whether a process of the pool has the whole of a job. Celery says so nowhere in public."""
    return job._write_to is not None and job._writer() not in pool._active_writers
