"""Back-pressure: with too many unfinished requests no more are accepted, before anything falls over."""

import threading
import time

from django.conf import settings
from rest_framework.exceptions import APIException

from notifier.models import RateRequest

# Seconds that a count is believed: a process counts once in that time, whatever comes in meanwhile.
BELIEVED = 1.0
# Told to a client, in seconds.
RETRY_AFTER = 30


class TooMany(APIException):
    """503 with Retry-After."""

    status_code = 503
    default_detail = "Too many requests are waiting to be carried out. Try again later."
    default_code = "too_many_waiting"
    wait = RETRY_AFTER


class Backlog:
    """What one process knows of the number of unfinished requests."""

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._count, self._until = 0, 0.0

    def check(self) -> None:
        """Raises TooMany where settings.MAX_BACKLOG requests have not ended."""
        if self.count() >= settings.MAX_BACKLOG:
            raise TooMany

    def count(self) -> int:
        """Of a second ago at most, and never more than the limit: the index of what is unfinished tells it."""
        if time.monotonic() >= self._until and self._counting.acquire(blocking=False):
            try:
                self._count = unfinished(settings.MAX_BACKLOG)
                self._until = time.monotonic() + BELIEVED
            finally:
                self._counting.release()
        return self._count

    def forget(self) -> None:
        self._until = 0.0


def unfinished(limit: int) -> int:
    """How many requests have not ended; `limit` where there are more."""
    return RateRequest.objects.filter(sweep_at__isnull=False).order_by()[:limit].count()


backlog = Backlog()
