"""The Telegram backend against a Bot API on the wire."""

import logging
import multiprocessing
import threading
import traceback
from typing import Any

import pytest
import redis

from notifier.backends import Busy, PermanentError, TemporaryError, get_backend, patience, telegram
from project.local import ports
from tests.standins.telegram import TOKEN, TelegramStandin

SECRET = TOKEN.partition(":")[2]


def send(chat_id: int = 42, text: str = "Доллар США & <евро> *жирно*") -> None:
    get_backend().send(chat_id, text)


def test_text_arrives_as_it_is(standin: TelegramStandin) -> None:
    send()
    send(-1001234567890, "https://cbr.ru/")
    assert standin.messages == [(42, "Доллар США & <евро> *жирно*"), (-1001234567890, "https://cbr.ru/")]
    assert "parse_mode" not in standin.state.calls[0]["params"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        *[("chat_not_found", "chat_not_found"), ("initiate", "chat_not_found"), ("403", "blocked")],
        *[("deactivated", "deactivated"), ("401", "bad_token"), ("400", "bad_request")],
    ],
)
def test_answers_that_end_a_request(standin: TelegramStandin, kind: str, code: str) -> None:
    standin.fail(kind)
    with pytest.raises(PermanentError) as told:
        send()
    assert told.value.code == code


@pytest.mark.parametrize("kind", ["500", "garbage", "cut"])
def test_answers_after_which_to_try_again(standin: TelegramStandin, kind: str) -> None:
    standin.fail(kind)
    with pytest.raises(TemporaryError) as told:
        send()
    assert told.value.retry_after is None
    send()
    assert len(standin.messages) == 1


def test_retry_after(standin: TelegramStandin) -> None:
    standin.fail("429", retry_after=17)
    with pytest.raises(TemporaryError) as told:
        send()
    assert told.value.retry_after == 17


def test_a_group_that_became_a_supergroup(standin: TelegramStandin) -> None:
    standin.fail("migrate", chat_id=-5, to=-1005, times=9)
    assert get_backend().send(-5, "text") == -1005
    assert standin.messages == [(-1005, "text")]


def test_a_slow_answer_is_not_waited_for(standin: TelegramStandin, settings: Any) -> None:
    settings.TELEGRAM_TIMEOUT_SECONDS = 0.2
    standin.fail("slow", seconds=30)
    with pytest.raises(TemporaryError):
        send()


def test_nobody_is_there(settings: Any) -> None:
    settings.NOTIFIER_BACKEND, settings.BOT_TOKEN = "telegram", TOKEN
    settings.TELEGRAM_API_URL = "http://127.0.0.1:9"
    with pytest.raises(TemporaryError, match="Cannot connect"):
        send()
    telegram.close()


@pytest.mark.parametrize("token", ["", "nonsense", "12 34:ab"])
def test_a_malformed_token(standin: TelegramStandin, settings: Any, token: str) -> None:
    settings.BOT_TOKEN = token
    with pytest.raises(PermanentError) as told:
        send()
    assert (told.value.code, str(told.value)) == ("bad_token", "BOT_TOKEN is malformed")


@pytest.mark.parametrize("kind", ["cut", "garbage", "500", "401", "403", "slow"])
def test_no_error_and_no_log_contains_the_token(
    standin: TelegramStandin, settings: Any, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    settings.TELEGRAM_TIMEOUT_SECONDS = 1
    caplog.set_level(logging.DEBUG)
    standin.fail(kind, seconds=9)
    try:
        send()
    except (PermanentError, TemporaryError) as error:
        assert SECRET not in "".join(traceback.format_exception(error))
    else:
        raise AssertionError("no error")
    assert SECRET not in caplog.text


def test_threads_share_one_session(standin: TelegramStandin) -> None:
    threads = [threading.Thread(target=send, args=(number, "text")) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(standin.messages) == [(number, "text") for number in range(1, 9)]
    assert len(telegram._senders) == 1


def _send_in_child(url: str) -> None:
    send(2, f"child {url}")
    telegram.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_its_own_session(standin: TelegramStandin) -> None:
    send(1, "parent")
    child = multiprocessing.get_context("fork").Process(target=_send_in_child, args=(standin.url,))
    child.start()
    child.join(20)
    send(3, "parent")
    assert child.exitcode == 0
    assert [chat for chat, _ in standin.messages] == [1, 2, 3]


@pytest.fixture
def slow_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any call is slow."""
    monkeypatch.setattr(patience, "_slow_until", {})
    monkeypatch.setattr(patience, "SLOW_SHARE", 0.0)


def test_while_telegram_is_slow_one_process_waits_for_it(
    standin: TelegramStandin, empty_redis: str, slow_already: None
) -> None:
    send()
    with redis.Redis.from_url(empty_redis) as another:
        another.set(patience.TURN, "1")
        with pytest.raises(Busy) as told:
            send()
        another.delete(patience.TURN)
        assert patience.ASK_AGAIN[0] <= (told.value.retry_after or 0) <= patience.ASK_AGAIN[1]
        send()
        assert not another.exists(patience.TURN)
    assert len(standin.messages) == 2


def test_a_quick_answer_ends_the_turns(
    standin: TelegramStandin, empty_redis: str, slow_already: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    send()
    monkeypatch.setattr(patience, "SLOW_SHARE", 1.0)
    send()
    with redis.Redis.from_url(empty_redis) as another:
        another.set(patience.TURN, "1")
        send()
    assert len(standin.messages) == 3


def test_without_redis_each_waits_for_itself(standin: TelegramStandin, settings: Any, slow_already: None) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{ports.free_port()}/0"
    send()
    send()
    assert len(standin.messages) == 2
