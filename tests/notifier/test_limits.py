"""No more messages than Telegram takes, from all processes together."""

import threading
import time
from typing import Any

import pytest
import redis

from notifier import limits
from notifier.backends import Busy, get_backend
from notifier.limits import Window
from tests.standins.telegram import TelegramStandin


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> None:
    limits.reset()
    settings.TELEGRAM_MESSAGES_PER_SECOND = 5
    settings.TELEGRAM_CHAT_INTERVAL_SECONDS = 1
    settings.TELEGRAM_GROUP_MESSAGES_PER_MINUTE = 20


def away(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("local", [False, True])
def test_one_chat_waits(empty_redis: str, settings: Any, local: bool) -> None:
    settings.TELEGRAM_LIMIT_PROCESSES = 1
    if local:
        away(settings)
    assert limits.take(1) == 0
    assert 0.9 < limits.take(1) <= 1
    # Who waits has a place of their own, one after the other.
    assert 1.8 < limits.take(1) <= 2
    assert limits.take(2) == 0


@pytest.mark.parametrize("local", [False, True])
def test_all_together_wait(empty_redis: str, settings: Any, local: bool) -> None:
    settings.TELEGRAM_LIMIT_PROCESSES = 1
    if local:
        away(settings)
    waits = [limits.take(chat) for chat in range(1, 9)]
    assert waits[:5] == [0] * 5
    for wait, place in zip(waits[5:], (1.0, 1.2, 1.4), strict=True):
        assert place - 0.3 < wait <= place


def test_a_group_has_a_limit_of_its_own(empty_redis: str, settings: Any) -> None:
    settings.TELEGRAM_MESSAGES_PER_SECOND = settings.TELEGRAM_CHAT_INTERVAL_SECONDS = 0
    assert [limits.take(-5) for _ in range(20)] == [0] * 20
    assert 59 < limits.take(-5) <= 60
    assert limits.take(5) == 0


def test_threads_as_processes_keep_to_one_limit(empty_redis: str, settings: Any) -> None:
    settings.TELEGRAM_MESSAGES_PER_SECOND = 20
    times: list[float] = []

    def send(first: int) -> None:
        for chat in range(first, first + 15):
            while wait := limits.take(chat):
                threading.Event().wait(wait)
            times.append(time.monotonic())

    threads = [threading.Thread(target=send, args=(number * 100 + 1,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    times.sort()
    assert len(times) == 60
    # 21 in a row take a second; the clock here is read after the one that counts.
    assert min(later - earlier for earlier, later in zip(times, times[20:], strict=False)) > 0.9
    # And waiting wastes little of what may be sent: 60 fit in two seconds and a bit.
    assert times[-1] - times[0] < 5


def test_redis_is_left_alone_for_a_while_when_away(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    away(settings)
    settings.TELEGRAM_LIMIT_PROCESSES = 5
    assert limits.take(1) == 0
    # A fifth of five a second, and a fifth of a chat's.
    assert 0.9 < limits.take(2) <= 1
    assert 4.9 < limits.take(1) <= 5
    assert caplog.text.count("Redis is away") == 1


def test_shares() -> None:
    assert Window("all", 30, 1.0).share(10) == Window("all", 3, 1.0)
    assert Window("chat", 1, 1.0).share(10) == Window("chat", 1, 10.0)
    assert Window("group", 20, 60.0).share(30) == Window("group", 1, 90.0)


def test_defaults_hold_for_telegram_itself(settings: Any) -> None:
    settings.TELEGRAM_MESSAGES_PER_SECOND = settings.TELEGRAM_CHAT_INTERVAL_SECONDS = None
    settings.TELEGRAM_GROUP_MESSAGES_PER_MINUTE = None
    settings.TELEGRAM_API_URL = "https://api.telegram.org/"
    assert [(one.count, one.seconds) for one in limits.windows_of(-1)] == [(30, 1.0), (1, 1.0), (20, 60.0)]
    settings.TELEGRAM_API_URL = "http://127.0.0.1:8081"
    assert limits.windows_of(-1) == []
    settings.TELEGRAM_MESSAGES_PER_SECOND = 0.5
    assert limits.windows_of(-1) == [Window("all", 1, 2.0)]


def test_keys_are_gone_after_their_window(empty_redis: str, settings: Any) -> None:
    limits.take(-5)
    limits.take(-5)
    with redis.Redis.from_url(empty_redis) as client:
        assert all(0 < client.pttl(key) <= 122_000 for key in client.scan_iter())


def test_the_backend_sends_nothing_out_of_turn(standin: TelegramStandin, empty_redis: str) -> None:
    get_backend().send(42, "one")
    with pytest.raises(Busy) as told:
        get_backend().send(42, "two")
    assert told.value.retry_after is not None
    assert 0.8 < told.value.retry_after <= 1
    assert standin.messages == [(42, "one")]
