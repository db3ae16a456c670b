"""How fast messages may go to Telegram, for all processes together. https://core.telegram.org/bots/faq#broadcasting-to-users

Each limit is a window: at most `count` messages in any `seconds`. The times of the messages sent are kept in Redis,
one sorted set a window, and one script looks at all windows of a message and enters it, or tells how long to wait.
Those who wait get places one after the other, so that they come back spread over time and not all at once.

While Redis is away, each process keeps to its share of the limits by itself.
"""

import logging
import threading
import time
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass

from django.conf import settings
from redis.exceptions import RedisError

from project import redis_client

log = logging.getLogger(__name__)

TELEGRAM = "https://api.telegram.org"
# What Telegram says, where nothing is set: messages a second; seconds between two to one chat; a minute to a group.
OVERALL, INTERVAL, GROUP = 30, 1.0, 20

# How long Redis isn't asked after it gave no answer.
AWAY_SECONDS = 5.0

# KEYS: a set and a place for each window; ARGV: the message's name, then count and microseconds of each window.
# Returns 0 where the message may go now, else the microseconds to wait.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait = 0
for i = 1, #KEYS / 2 do
    local sent, count, span = KEYS[2 * i - 1], tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    redis.call('ZREMRANGEBYSCORE', sent, '-inf', now - span)
    if redis.call('ZCARD', sent) >= count then
        local first = tonumber(redis.call('ZRANGE', sent, -count, -count, 'WITHSCORES')[2]) + span
        local place = math.max(first, tonumber(redis.call('GET', KEYS[2 * i]) or 0))
        local expiry = math.ceil((place - now + span) / 1000)
        redis.call('SET', KEYS[2 * i], string.format('%.0f', place + span / count), 'PX', expiry)
        wait = math.max(wait, place - now)
    end
end
if wait > 0 then return math.ceil(wait) end
for i = 1, #KEYS / 2 do
    redis.call('ZADD', KEYS[2 * i - 1], now, ARGV[1])
    redis.call('PEXPIRE', KEYS[2 * i - 1], math.ceil(ARGV[2 * i + 1] / 1000))
end
return 0
"""


@dataclass(frozen=True)
class Window:
    """At most `count` messages in any `seconds`; `name` is what is counted: all, a chat."""

    name: str
    count: int
    seconds: float

    def share(self, processes: int) -> "Window":
        """What one of so many may do without knowing of the others."""
        if self.count >= processes:
            return Window(self.name, self.count // processes, self.seconds)
        return Window(self.name, 1, self.seconds * processes / self.count)


def take(chat_id: int) -> float:
    """Enter a message to a chat. 0 where it may be sent now, else the seconds after which to ask again."""
    windows = windows_of(chat_id)
    if not windows:
        return 0.0
    if _away.over():
        try:
            return _take_from_redis(windows)
        except RedisError as error:
            log.warning("Redis is away, this process sends its share of messages: %s", error)
            _away.begin()
    return _local.take([window.share(settings.TELEGRAM_LIMIT_PROCESSES) for window in windows])


def windows_of(chat_id: int) -> list[Window]:
    """The limits for one message; a limit of 0 is none."""
    windows = []
    if (overall := _setting(settings.TELEGRAM_MESSAGES_PER_SECOND, OVERALL)) > 0:
        windows.append(Window("all", int(overall), 1.0) if overall >= 1 else Window("all", 1, 1 / overall))
    if (interval := _setting(settings.TELEGRAM_CHAT_INTERVAL_SECONDS, INTERVAL)) > 0:
        windows.append(Window(f"chat:{chat_id}", 1, interval))
    if chat_id < 0 and (group := _setting(settings.TELEGRAM_GROUP_MESSAGES_PER_MINUTE, GROUP)) > 0:
        windows.append(Window(f"group:{chat_id}", int(group), 60.0))
    return windows


def _setting(value: float | None, default: float) -> float:
    """What is set, else Telegram's own limit where it is Telegram that we send to."""
    if value is not None:
        return value
    return default if settings.TELEGRAM_API_URL.rstrip("/") == TELEGRAM else 0


def _take_from_redis(windows: list[Window]) -> float:
    keys, numbers = [], []
    for window in windows:
        name = f"telegram:{{limits}}:{window.name}"
        keys += [name, f"{name}:place"]
        numbers += [window.count, int(window.seconds * 1_000_000)]
    client = redis_client.client(settings.REDIS_URL)
    return int(client.register_script(SCRIPT)(keys, [uuid.uuid4().hex, *numbers])) / 1_000_000


class _Away:
    """Whether Redis gave no answer a moment ago."""

    def __init__(self) -> None:
        self.until = 0.0

    def begin(self) -> None:
        self.until = time.monotonic() + AWAY_SECONDS

    def over(self) -> bool:
        return time.monotonic() >= self.until


class _Local:
    """The same windows, of this process alone."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sent: dict[str, deque[float]] = defaultdict(deque)
        self.places: dict[str, float] = {}

    def take(self, windows: list[Window]) -> float:
        with self.lock:
            now = time.monotonic()
            wait = max(self._wait(window, now) for window in windows)
            if not wait:
                for window in windows:
                    self.sent[window.name].append(now)
            self._forget(now)
            return wait

    def _wait(self, window: Window, now: float) -> float:
        sent = self.sent[window.name]
        while len(sent) > window.count:
            sent.popleft()
        if len(sent) < window.count or (free := sent[0] + window.seconds) <= now:
            return 0.0
        place = max(free, self.places.get(window.name, 0.0))
        self.places[window.name] = place + window.seconds / window.count
        return place - now

    def _forget(self, now: float) -> None:
        """Chats that nothing was sent to for long: this must not grow for ever."""
        if len(self.sent) > 10_000:
            for name in [name for name, times in self.sent.items() if not times or times[-1] < now - 600]:
                del self.sent[name]
                self.places.pop(name, None)


_away, _local = _Away(), _Local()


def reset() -> None:
    """Forget what this process knows by itself."""
    global _away, _local
    _away, _local = _Away(), _Local()
