"""The result backend: Celery's own for Redis, made so that no task and no POST depends on Redis being there.

Results are for looking at, the request log has the truth. So this backend differs from Celery's in three points:

* It doesn't subscribe to a result when a task is published (`celery.backends.redis.RedisBackend.on_task_call`):
  a POST would connect to Redis for a result that nobody waits for, and fail or hang without it. `.get()` and
  chords work as before: `.get()` subscribes itself and then looks whether the result is there already.
* A result that can't be stored is logged and dropped. Celery raises there, which would turn a task that has done
  its work into a failed one, and keep a task killed by its time limit from calling its errbacks.
* Celery asks Redis each time whether a success is stored already, which must not be overwritten. By another success it
  may be, so before that nothing is asked.
"""

import logging
from typing import Any

from celery import states
from celery.backends.redis import RedisBackend as CeleryRedisBackend
from celery.exceptions import BackendStoreError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


class RedisBackend(CeleryRedisBackend):
    # Seconds: the longest that storing a result may keep its task. Celery's own would try for about 20.
    retry_policy = {
        "max_retries": 3,
        "interval_start": 0.1,
        "interval_step": 0.2,
        "interval_max": 0.5,
        "timeout": 2.0,
    }

    def on_task_call(self, producer: Any, task_id: str) -> dict[str, Any]:
        return {}

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().store_result(task_id, result, state, *args, **kwargs)
        except (BackendStoreError, RedisError, OSError) as error:
            log.warning("the result of task %s (%s) is not stored: %s", task_id, state, error)
            return result

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        if state != states.SUCCESS:
            return super()._store_result(task_id, result, state, traceback, request, **kwargs)
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        self._set_with_state(self.get_key_for_task(task_id), self.encode({**meta, "task_id": task_id}), state)
        return result
