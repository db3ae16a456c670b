"""The notify step: one message a request, whatever happens around it."""

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from notifier import delivery, owners, requests, tasks
from notifier.backends import Backend, PermanentError, TemporaryError, memory
from notifier.models import RateRequest
from notifier.tasks import notify

Step = Callable[[], None]


class Scripted(Backend):
    """Does one thing after the other; sends once nothing is left to do."""

    script: list[Any] = []

    def send(self, chat_id: int, text: str) -> None:
        if self.script:
            event = self.script.pop(0)
            if isinstance(event, BaseException):
                raise event
            event()
        memory.MemoryBackend().send(chat_id, text)


@pytest.fixture
def script(settings: Any, outbox: list[Any]) -> list[Any]:
    settings.NOTIFIER_BACKEND = f"{__name__}.Scripted"
    Scripted.script = []
    return Scripted.script


@pytest.fixture
def step(row: RateRequest, found: dict[str, Any]) -> Step:
    return lambda: delivery.deliver(found, str(row.pk))


def again(row: RateRequest) -> RateRequest:
    return RateRequest.objects.get(pk=row.pk)


def test_the_message_arrives(row: RateRequest, step: Step, outbox: list[Any]) -> None:
    step()
    seen = again(row)
    assert [message.chat_id for message in outbox] == [42]
    assert (seen.status, seen.text, seen.notify_attempts) == ("delivered", outbox[0].text, 1)
    assert (seen.found, seen.nominal, str(seen.value), seen.sheet_date, seen.fresh) == (
        *(True, 1, "75.52730000"),
        dt.date(2026, 4, 25),
        True,
    )


def test_twice_sends_once(row: RateRequest, step: Step, outbox: list[Any]) -> None:
    step()
    step()
    assert len(outbox) == 1
    assert again(row).notify_attempts == 1


def test_two_at_once_send_once(row: RateRequest, step: Step, script: list[Any], outbox: list[Any]) -> None:
    """The second runs while the first is sending: it is told to come back when the first's lease is over."""

    def second() -> None:
        with pytest.raises(delivery.TryAgain) as told:
            step()
        assert 60 <= told.value.delay < 64

    script.append(second)
    step()
    assert len(outbox) == 1
    assert again(row).status == "delivered"


def test_what_a_dead_process_left_is_sent_after_its_lease(
    row: RateRequest, step: Step, outbox: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    requests.start_notifying(row.pk, "text", {})
    RateRequest.objects.update(lease_until=timezone.now())
    step()
    assert len(outbox) == 1
    # It may be a repeat, and that is to be seen.
    assert (again(row).notify_attempts, again(row).possible_repeats) == (2, 1)
    assert "may have sent it already" in caplog.text


def test_what_a_dead_process_of_this_machine_left_is_sent_at_once(
    row: RateRequest, step: Step, outbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        monkeypatch.setattr(owners, "me", lambda: owners._name(child.pid))
        requests.start_notifying(row.pk, "text", {})
        with pytest.raises(delivery.TryAgain):
            step()
    finally:
        child.kill()
        child.wait()
    step()
    assert len(outbox) == 1
    assert (again(row).status, again(row).possible_repeats) == ("delivered", 1)


def test_an_answer_that_did_not_come_makes_the_next_try_a_possible_repeat(
    row: RateRequest, step: Step, script: list[Any], outbox: list[Any]
) -> None:
    script.extend([TemporaryError("refused"), TemporaryError("no answer", maybe_sent=True)])
    for repeats in (0, 0):
        with pytest.raises(delivery.TryAgain):
            step()
        assert again(row).possible_repeats == repeats
    step()
    assert (again(row).status, again(row).possible_repeats, len(outbox)) == ("delivered", 1, 1)


def test_intent_is_written_before_the_message_is_sent(
    row: RateRequest, step: Step, script: list[Any], outbox: list[Any]
) -> None:
    seen: list[RateRequest] = []
    script.append(lambda: seen.append(again(row)))
    step()
    assert seen[0].status == "notifying"
    assert seen[0].lease_until is not None and seen[0].text


def test_a_permanent_error_ends_the_request(row: RateRequest, step: Step, script: list[Any]) -> None:
    script.append(PermanentError("chat_not_found", "Bad Request: chat not found"))
    step()
    seen = again(row)
    assert (seen.status, seen.error_code) == ("failed", "chat_not_found")
    assert seen.error == (
        "Этот человек ещё не открывал бота (или такого чата нет). Пусть откроет бота в Telegram и нажмёт «Начать».\n"
        "(Bad Request: chat not found)"
    )


def test_a_temporary_error_is_tried_again(row: RateRequest, step: Step, script: list[Any], outbox: list[Any]) -> None:
    script.append(TemporaryError("no connection"))
    with pytest.raises(delivery.TryAgain) as told:
        step()
    assert 1 <= told.value.delay <= 2
    seen = again(row)
    assert (seen.status, seen.error_code, seen.lease_until) == ("notifying", "send_failed", None)
    assert "no connection" in seen.error
    step()
    seen = again(row)
    assert (seen.status, seen.error_code, seen.notify_attempts, len(outbox)) == ("delivered", "", 2, 1)


def test_the_soft_time_limit_is_a_temporary_error(row: RateRequest, step: Step, script: list[Any]) -> None:
    script.append(SoftTimeLimitExceeded())
    with pytest.raises(delivery.TryAgain):
        step()
    lease = again(row).lease_until
    assert lease is not None and lease <= timezone.now()


def test_retry_after_is_honoured(row: RateRequest, step: Step, script: list[Any]) -> None:
    script.append(TemporaryError("Too Many Requests", retry_after=30))
    with pytest.raises(delivery.TryAgain) as told:
        step()
    assert 30 < told.value.delay < 35


def test_tries_have_an_end(row: RateRequest, step: Step, script: list[Any]) -> None:
    script.extend(TemporaryError(f"down {number}") for number in range(20))
    for _ in range(delivery.MAX_ATTEMPTS - 1):
        with pytest.raises(delivery.TryAgain):
            step()
    step()
    seen = again(row)
    assert (seen.status, seen.error_code, seen.notify_attempts) == ("failed", "send_failed", 12)
    assert "down 11" in seen.error


def test_a_wait_of_hours_is_not_waited_for(row: RateRequest, step: Step, script: list[Any]) -> None:
    script.append(TemporaryError("Too Many Requests", retry_after=20000))
    step()
    assert again(row).status == "failed"


def test_pauses_grow_to_a_limit() -> None:
    pauses = [delivery.pause(attempt, None) for attempt in range(1, 13)]
    assert all(2**n / 2 <= pause <= 2**n for n, pause in enumerate(pauses[:8], start=1))
    assert all(150 <= pause <= 300 for pause in pauses[8:])


def test_a_database_that_is_away_for_a_moment(
    row: RateRequest, step: Step, outbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is out: only its delivery is written down again."""
    deliver, errors = requests.deliver, [OperationalError("server closed the connection"), InterfaceError("gone")]

    def fails_at_first(request_id: str) -> bool:
        if errors:
            raise errors.pop()
        return deliver(request_id)

    monkeypatch.setattr(requests, "deliver", fails_at_first)
    monkeypatch.setattr(delivery, "WRITE_PAUSES", (0, 0, 0))
    # What the test itself has written is in a transaction of this connection.
    monkeypatch.setattr(delivery, "connection", Mock())
    step()
    assert again(row).status == "delivered"
    assert len(outbox) == 1


def test_a_database_that_is_away_for_long_after_the_message(
    row: RateRequest, found: dict[str, Any], outbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task comes again to write it down, and sends nothing."""
    deliver, errors = requests.deliver, [OperationalError("server closed the connection") for _ in range(6)]

    def fails_for_long(request_id: str) -> bool:
        if errors:
            raise errors.pop()
        return deliver(request_id)

    monkeypatch.setattr(requests, "deliver", fails_for_long)
    monkeypatch.setattr(delivery, "WRITE_PAUSES", (0, 0, 0))
    monkeypatch.setattr(delivery, "connection", Mock())
    result = notify.apply(args=(found, str(row.pk)))
    assert result.successful()
    assert (again(row).status, again(row).possible_repeats, len(outbox)) == ("delivered", 0, 1)


def test_a_database_that_is_away_before_the_message(
    row: RateRequest, found: dict[str, Any], outbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    start, errors = requests.start_notifying, [OperationalError("database is locked")]

    def fails_at_first(*args: Any) -> Any:
        if errors:
            raise errors.pop()
        return start(*args)

    monkeypatch.setattr(requests, "start_notifying", fails_at_first)
    result = notify.apply(args=(found, str(row.pk)))
    assert result.successful()
    assert (again(row).status, len(outbox)) == ("delivered", 1)


def test_a_database_that_hangs_after_the_message(
    row: RateRequest, found: dict[str, Any], outbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the soft limit, and the next task's until its own: it is written down in the end, and sent once."""
    deliver, errors = requests.deliver, [SoftTimeLimitExceeded(), SoftTimeLimitExceeded()]

    def hangs(request_id: str) -> bool:
        if errors:
            raise errors.pop()
        return deliver(request_id)

    monkeypatch.setattr(requests, "deliver", hangs)
    monkeypatch.setattr(delivery, "connection", Mock())
    monkeypatch.setattr(tasks, "connection", Mock())
    assert notify.apply(args=(found, str(row.pk))).successful()
    assert (again(row).status, again(row).possible_repeats, len(outbox)) == ("delivered", 0, 1)


def test_a_database_that_hangs_before_the_message(
    row: RateRequest, found: dict[str, Any], outbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    to_tell, errors = requests.to_tell, [SoftTimeLimitExceeded()]

    def hangs(request_id: str) -> RateRequest | None:
        if errors:
            raise errors.pop()
        return to_tell(request_id)

    monkeypatch.setattr(requests, "to_tell", hangs)
    monkeypatch.setattr(tasks, "connection", Mock())
    assert notify.apply(args=(found, str(row.pk))).successful()
    assert (again(row).status, len(outbox)) == ("delivered", 1)


def test_a_failed_request_is_not_sent(row: RateRequest, step: Step, outbox: list[Any]) -> None:
    requests.fail(row.pk, "time_limit", "why")
    step()
    assert outbox == []
    assert again(row).status == "failed"


def test_a_request_that_is_gone(found: dict[str, Any], db: None, outbox: list[Any]) -> None:
    delivery.deliver(found, "0d5be5d5-9bd3-4c68-a0b7-6a6fd8b5a3f1")
    assert outbox == []
