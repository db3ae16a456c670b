"""Digests and alerts: each is written once, whoever looks, and sent by a task."""

import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from notifier import alerts, chats, digest, due, messages, subscriptions
from notifier.models import Alert, Chat, Message, Subscription
from notifier.tasks import send_due
from rates.store import note_contact
from tests.notifier.conftest import sheet

MOSCOW = ZoneInfo("Europe/Moscow")
SUNDAY, MONDAY, TUESDAY = dt.date(2026, 4, 26), dt.date(2026, 4, 27), dt.date(2026, 4, 28)


@pytest.fixture
def chat(sheets: None) -> Chat:
    return chats.seen(42)


def texts_of(kind: str) -> list[str]:
    return list(Message.objects.filter(kind=kind).order_by("created_at").values_list("text", flat=True))


def make_due(subscription: Subscription, late: dt.timedelta = dt.timedelta(seconds=1)) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(next_at=timezone.now() - late)


def test_a_digest_is_written_once_a_day(chat: Chat) -> None:
    with time_machine.travel(dt.datetime(2026, 4, 25, 6, 0, tzinfo=dt.UTC), tick=False) as clock:
        subscriptions.subscribe(chat, dt.time(9, 30), MOSCOW)
        assert due.send_due()["digests"] == 0
        clock.shift(dt.timedelta(minutes=30))
        assert send_due.apply(throw=True).get()["digests"] == 1
        assert due.send_due()["digests"] == 0
        assert Subscription.objects.get().next_at == dt.datetime(2026, 4, 26, 6, 30, tzinfo=dt.UTC)
    assert texts_of("digest")[0].startswith("Курсы Банка России на 25.04.2026\nUSD: 75,5273 ₽ ▲ +0,5273 (+0,70 %)\n")


def test_in_the_chats_language_and_of_its_favourites(chat: Chat) -> None:
    chats.speak(42, "en")
    chats.toggle_favourite(42, "EUR")
    chats.toggle_favourite(42, "XXX")
    make_due(subscriptions.subscribe(chat, dt.time(9), MOSCOW))
    due.send_due()
    text = texts_of("digest")[0]
    assert text.startswith("Bank of Russia rates for 25 April 2026\nUSD: 75.5273 RUB ▲ +0.5273 (+0.70%)\nCNY: ")
    assert "Not quoted now: XXX" in text


def test_days_without_beat_are_made_up_for_by_one(chat: Chat) -> None:
    make_due(subscriptions.subscribe(chat, dt.time(9), MOSCOW), dt.timedelta(days=5))
    assert due.send_due()["digests"] == 1
    assert due.send_due()["digests"] == 0


def test_a_disabled_chat_is_sent_nothing(chat: Chat) -> None:
    make_due(subscriptions.subscribe(chat, dt.time(9), MOSCOW))
    chats.refused(42, "blocked", "Forbidden: bot was blocked by the user")
    assert due.send_due()["digests"] == 0


def test_two_beats_that_saw_the_same_write_once(chat: Chat) -> None:
    made = subscriptions.subscribe(chat, dt.time(9), MOSCOW)
    make_due(made)
    (first,), (second,) = subscriptions.due(9), subscriptions.due(9)
    assert [subscriptions.send(first), subscriptions.send(second)] == [True, False]
    assert len(texts_of("digest")) == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_race(sheets: None, published: Callable[[], list[dict[str, Any]]]) -> None:
    """Two threads work through the same due digests and alerts at once."""
    for number in range(1, 9):
        chat = chats.seen(number)
        make_due(subscriptions.subscribe(chat, dt.time(9), MOSCOW))
        Alert.objects.create(chat=chat, char_code="USD", kind="above", threshold=Decimal(75), high=Decimal(75))
    start, counts = threading.Barrier(2), []

    def work() -> None:
        start.wait(10)
        counts.append(due.send_due())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(count["digests"] for count in counts) == sum(count["alerts"] for count in counts) == 8
    assert Message.objects.count() == 16
    tasks = [message["task"] for message in published()]
    assert tasks == ["notifier.tasks.post"] * 16


def test_what_fails_half_way_is_due_still(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    make_due(subscriptions.subscribe(chat, dt.time(9), MOSCOW))

    def dies(*args: Any) -> bool:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(messages, "write", dies)
        with pytest.raises(RuntimeError):
            due.send_due()
    assert due.send_due()["digests"] == 1


def fires(rule: tuple[str, str], *rates: str) -> list[int]:
    """How many messages each new sheet makes."""
    alerts.add(Chat.objects.get(pk=42), "USD", rule[0], Decimal(rule[1]))
    counts = []
    for number, rate in enumerate(rates):
        sheet(SUNDAY + dt.timedelta(days=number), USD=rate)
        counts.append(due.send_due()["alerts"])
        assert due.send_due()["alerts"] == 0
    return counts


def test_above_fires_once_and_again_after_the_rate_was_back(chat: Chat) -> None:
    assert fires(("above", "76"), "76", "76.1", "77", "76", "76.0001") == [0, 1, 0, 0, 1]
    assert texts_of("alert")[0] == "🔔 USD > 76\n1 USD = 76,1 ₽\nКурс Банка России на 27.04.2026"


def test_below(chat: Chat) -> None:
    assert fires(("below", "70"), "70", "69.9", "60", "71", "69") == [0, 1, 0, 0, 1]


def test_an_alert_beyond_its_line_waits(chat: Chat) -> None:
    assert fires(("above", "70"), "75", "69", "71") == [0, 0, 1]


def test_a_change_goes_on_from_the_new_rate(chat: Chat) -> None:
    """From 75.5273: two per cent are 1.510546."""
    assert fires(("change", "2"), "77.0378", "77.0379", "78.5", "78.6") == [0, 1, 0, 1]


def test_a_change_downwards(chat: Chat) -> None:
    assert fires(("change", "50"), "38", "37", "20", "18") == [0, 1, 0, 1]


def test_a_rate_of_a_hundred_units_is_taken_for_one(chat: Chat) -> None:
    _, rate = alerts.add(chat, "JPY", "above", Decimal("0.5"))
    assert rate == Decimal("0.4815")
    sheet(SUNDAY, JPY="50.0100")
    assert due.send_due()["alerts"] == 1


def test_a_tiny_change_of_a_tiny_rate_has_two_lines(chat: Chat) -> None:
    """A rial is 0.0000539256 roubles, and 0.0005 % of that are less than the last place of a line."""
    sheet(SUNDAY, IRR="53.9256", USD="75.5273")
    alerts.add(chat, "IRR", "change", Decimal("0.0005"))
    alerts.add(chat, "USD", "above", Decimal(76))
    sheet(MONDAY, IRR="53.9300", USD="77.0000")
    assert due.send_due()["alerts"] == 2
    moved = Alert.objects.get(char_code="IRR")
    assert moved.low is not None and moved.high is not None and moved.low < Decimal("0.00005393") < moved.high


def test_an_alert_that_cannot_fire_holds_up_no_other(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts.add(chat, "CNY", "change", Decimal(1))
    alerts.add(chat, "USD", "change", Decimal(1))
    sheet(SUNDAY, CNY="20.0000", USD="80.0000")
    real = alerts.lines

    def one_place(kind: str, threshold: Decimal, rate: Decimal) -> dict[str, Decimal | None]:
        """Of the yuan the database refuses it."""
        return {"low": rate, "high": rate} if rate == 20 else real(kind, threshold, rate)

    monkeypatch.setattr(alerts, "lines", one_place)
    assert due.send_due()["alerts"] == 1
    assert [text[:5] for text in texts_of("alert")] == ["🔔 USD"]


def test_alerts_go_out_though_the_digests_fail(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts.add(chat, "USD", "above", Decimal(76))
    sheet(SUNDAY, USD="77")

    def fails(batch: int) -> int:
        raise KeyError("a defect")

    monkeypatch.setattr(subscriptions, "send_due", fails)
    with pytest.raises(KeyError, match="a defect"):
        due.send_due()
    assert len(texts_of("alert")) == 1


def test_a_digest_says_whether_there_may_be_a_newer_sheet(chat: Chat) -> None:
    """However many sheets of the last weeks are missing: after an installation nearly all of them are."""
    sheet(dt.date(2016, 4, 23), USD="66.0000")
    with time_machine.travel(dt.datetime(2026, 4, 25, 9, 0, tzinfo=dt.UTC), tick=False):
        assert "не получены" in digest.text(["USD"])
        note_contact(timezone.now())
        assert "не получены" not in digest.text(["USD"])


def test_what_a_group_has_chosen_goes_along_whichever_update_comes_first(db: None) -> None:
    chats.seen(-5)
    chats.speak(-5, "en")
    chats.toggle_favourite(-5, "KZT")
    chats.seen(-1005, "ru")  # the supergroup's own update made its row
    chats.follow(-5, -1005)
    moved = Chat.objects.get(pk=-1005)
    assert (moved.language, moved.favourites) == ("en", ["USD", "EUR", "CNY", "KZT"])


def test_what_a_supergroup_has_chosen_itself_stays(db: None) -> None:
    """We hear of the move late: by a message that Telegram sends back."""
    chats.seen(-5)
    chats.toggle_favourite(-5, "KZT")
    Chat.objects.filter(pk=-5).update(zone="Asia/Almaty")
    chats.seen(-1005, "en")
    chats.toggle_favourite(-1005, "JPY")
    Chat.objects.filter(pk=-1005).update(created_at=timezone.now() - dt.timedelta(days=1))
    chats.follow(-5, -1005)
    kept = Chat.objects.get(pk=-1005)
    assert (kept.language, kept.zone, "JPY" in kept.favourites) == ("en", "Asia/Almaty", True)


def test_beat_runs_it(db: None) -> None:
    task = PeriodicTask.objects.get(task="notifier.tasks.send_due")
    assert (task.interval.every, task.interval.period, task.expire_seconds, task.enabled) == (20, "seconds", 60, True)
