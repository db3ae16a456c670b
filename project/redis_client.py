"""The process' Redis client where Redis may be away: it gives up soon, so that nobody waits for what isn't there."""

import functools

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

SOCKET_SECONDS = 1.0


@functools.lru_cache(maxsize=8)
def client(url: str) -> redis.Redis:
    """The same for the same address; answers are strings. Its pool makes new connections after a fork."""
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        # Once more at once, for a connection that was closed while it idled.
        retry=Retry(NoBackoff(), 1),
        decode_responses=True,
    )
