"""How much one may ask: a count for each window of time in the Django cache, so shared by all processes.

A fixed window is counted by one atomic increment. At the border of two windows up to twice the rate may pass, which
is no matter for what these limits are for.
"""

import logging
import re
import time
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from project.accounts.authentication import is_staff, token_of

log = logging.getLogger(__name__)

PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
RATE = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(PERIODS)})")
# Seconds in which a cache that was away is not asked again: what it counts isn't worth waiting for it each time.
AWAY = 5.0


class Rate(NamedTuple):
    limit: int
    seconds: int


def rate(text: str) -> Rate | None:
    """`100/minute` (or second, hour, day); None for an empty text: no limit. Raises ValueError."""
    if not text:
        return None
    match = RATE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no rate, such as 100/minute or 5/second")
    return Rate(int(match[1]), PERIODS[match[2]])


class _Away:
    """Until when the cache counts as away, in this process."""

    until = 0.0
    told = False


def charge(setting: str, who: object, cost: int = 1) -> float | None:
    """Count `cost` against the rate that is in this setting. None: fine; else the seconds until there is room again.

    Fails open: while the cache is away nothing is limited, which is said once.
    """
    allowed = rate(getattr(settings, setting))
    if allowed is None or time.monotonic() < _Away.until:
        return None
    now = time.time()
    window = int(now // allowed.seconds)
    key = f"throttle:{setting}:{who}:{allowed.seconds}:{window}"
    try:
        cache.add(key, 0, allowed.seconds + 1)
        count = cache.incr(key, cost)
    except ValueError:
        # The key was gone between the two: the window is over.
        return None
    except (RedisError, OSError) as error:
        if not _Away.told:
            log.warning("nothing is throttled while the cache is away: %s", error)
        _Away.until, _Away.told = time.monotonic() + AWAY, True
        return None
    _Away.told = False
    return None if count <= allowed.limit else (window + 1) * allowed.seconds - now


def check(setting: str, who: object, cost: int = 1) -> None:
    """The same; raises Throttled (429 with Retry-After)."""
    wait = charge(setting, who, cost)
    if wait is not None:
        raise Throttled(wait)


def check_caller(request: Request, more: int) -> None:
    """Where one call counts as `more` calls besides itself. Raises Throttled."""
    if more > 0 and not is_staff(request):
        check(*_whom(request), more)


def _whom(request: Request) -> tuple[str, object]:
    token = token_of(request)
    return ("THROTTLE_TOKEN", token.pk) if token else ("THROTTLE_ANONYMOUS", BaseThrottle().get_ident(request))


class CallerThrottle(BaseThrottle):
    """Each call of a token, and of an address without one; staff isn't limited."""

    def allow_request(self, request: Request, view: Any) -> bool:
        self._wait = None if is_staff(request) else charge(*_whom(request))
        return self._wait is None

    def wait(self) -> float | None:
        return self._wait
