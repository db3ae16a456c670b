"""What the bot answers, polling a Bot API on the wire."""

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from notifier import chats, subscriptions, texts
from notifier.models import Alert, Chat, RateRequest, Subscription
from rates.models import AskedRange, Currency
from tests.standins.telegram import TelegramStandin
from tests.waiting import eventually

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("sheets", "empty_redis"),
]


@pytest.fixture
def ask(bot: TelegramStandin) -> Callable[..., str]:
    """Says something to the bot and returns its next message."""

    def say(text: str, chat_id: int = 42, **person: Any) -> str:
        count = len(bot.messages)
        bot.say(chat_id, text, **person)
        return bot.wait_messages(count + 1)[count][1]

    return say


def keyboard(call: dict[str, Any]) -> dict[str, str]:
    """The buttons of a message: {text: data}."""
    rows = json.loads(call["reply_markup"])["inline_keyboard"]
    return {button["text"]: button["callback_data"] for row in rows for button in row}


def test_conversions(ask: Callable[..., str]) -> None:
    assert ask("100 usd") == (
        "100 USD = <b>7\N{NO-BREAK SPACE}552,73 RUB</b>\n1 USD = 75,5273 ₽\nКурс Банка России на 25.04.2026"
    )
    assert ask("1 000 йен в евро").startswith("1\N{NO-BREAK SPACE}000 JPY = <b>5,47 EUR</b>\n100 JPY = 48,15 ₽\n")
    assert ask("/convert 1 доллар in kzt").startswith("1 USD = <b>462,87 KZT</b>")
    assert ask("7552,73 ₽").startswith("7\N{NO-BREAK SPACE}552,73 RUB = <b>100,00 USD</b>")
    assert "GBP" in ask("5 фунтов")


def test_words_make_requests_as_codes_do(bot: TelegramStandin) -> None:
    for text in ("доллар", "€", "/rate тенге"):
        bot.say(42, text)
    eventually(lambda: RateRequest.objects.count() == 3, 10)
    codes = RateRequest.objects.values_list("currency_char_code", flat=True)
    assert sorted(codes) == ["EUR", "KZT", "USD"]


def test_a_slip_is_met_with_what_was_meant(ask: Callable[..., str]) -> None:
    assert "Может быть, <code>USD</code>" in ask("долар")


def test_the_table_of_rates(ask: Callable[..., str]) -> None:
    assert ask("/rates").splitlines()[:4] == [
        "Курсы Банка России на 25.04.2026",
        "USD: 75,5273 ₽ ▲ +0,5273 (+0,70 %)",
        "EUR: 88,0110 ₽ ▼ −0,8890 (−1,00 %)",
        "CNY: 11,0500 ₽ ▲ +0,0500 (+0,45 %)",
    ]


def test_favourites_are_chosen_by_buttons(bot: TelegramStandin, ask: Callable[..., str]) -> None:
    ask("/rates")
    bot.press(42, keyboard(bot.calls("sendMessage")[0])["Выбрать валюты"])
    eventually(lambda: len(bot.calls("editMessageText")) == 1, 10)
    buttons = keyboard(bot.calls("editMessageText")[0])
    assert list(buttons) == ["✓ CNY", "✓ EUR", "JPY", "KZT", "✓ USD", "Готово"]
    for number, name in enumerate(("JPY", "✓ EUR"), start=2):
        bot.press(42, buttons[name])
        eventually(lambda number=number: len(bot.calls("editMessageText")) == number, 10)  # type: ignore[misc]
    assert Chat.objects.get(pk=42).favourites == ["USD", "CNY", "JPY"]
    bot.press(42, buttons["Готово"])
    eventually(lambda: len(bot.calls("editMessageText")) == 4, 10)
    assert "\n100 JPY: 48,1500 ₽ = 0,0000 (0,00 %)" in bot.messages[-1][1]
    eventually(lambda: len(bot.calls("answerCallbackQuery")) == 4, 10)


def test_a_press_that_changes_nothing_is_no_error(bot: TelegramStandin, caplog: pytest.LogCaptureFixture) -> None:
    bot.fail("not_modified", method="editMessageText")
    bot.press(42, "rates")
    eventually(lambda: len(bot.calls("answerCallbackQuery")) == 1, 10)
    assert "could not" not in caplog.text


def known_history() -> None:
    """As if the Bank had been asked already: nobody asks it now."""
    usd = Currency.objects.get(char_code="USD")
    today = timezone.now().date()
    AskedRange.objects.create(
        currency=usd, start=dt.date(1992, 7, 1), end=today + dt.timedelta(9), asked_at=timezone.now()
    )


def test_charts_and_tables(bot: TelegramStandin, ask: Callable[..., str]) -> None:
    known_history()
    assert ask("/chart usd 10y") == (
        "Доллар США (USD), 24.04.2026 – 25.04.2026\n1 USD: 75 → 75,5273 ₽ (+0,70 %), от 75 до 75,5273"
    )
    photo = bot.calls("sendPhoto")[0]["file"]
    assert photo["begins"] == b"\x89PNG\r\n\x1a\n".hex()
    assert photo["size"] > 5000
    assert "24.04.2026  75\n25.04.2026  75,5273\n" in ask("/history доллар 10 лет")
    assert ask("/chart USD 1d").startswith("Какая валюта")


def test_a_bank_that_is_away_is_told(ask: Callable[..., str], settings: Any) -> None:
    settings.CBR_URL = "http://127.0.0.1:9/"
    assert ask("/history usd 10y").endswith("Банк России сейчас недоступен: показано то, что сохранено.")
    assert ask("/history usd 2d").startswith("Банк России сейчас недоступен, а сохранённых")


def test_subscriptions(ask: Callable[..., str]) -> None:
    assert ask("/subscribe").startswith("В какое время")
    told = ask("/subscribe 9:00 almaty")
    row = Subscription.objects.get()
    assert (row.at, row.zone, row.chat.zone) == (dt.time(9), "Asia/Almaty", "Asia/Almaty")
    assert row.next_at > timezone.now()
    assert told.startswith("Буду присылать курсы каждый день в 09:00 (Asia/Almaty): USD, EUR, CNY. Первый раз — ")
    assert f"<code>/delete d{row.pk}</code>" in told
    ask("/subscribe 9.00")
    assert Subscription.objects.count() == 1
    assert f"d{row.pk}: в 09:00 (Asia/Almaty)" in ask("/list")
    assert ask(f"/delete d{row.pk}", chat_id=43).startswith("Что удалить?")
    assert ask(f"/delete d{row.pk}") == f"Удалено: d{row.pk}"
    assert not Subscription.objects.exists()


def test_only_so_many(ask: Callable[..., str]) -> None:
    for hour in range(subscriptions.MOST):
        ask(f"/subscribe {hour}:30")
    assert ask("/subscribe 22:00").startswith("Больше 5 нельзя")


def test_alerts(ask: Callable[..., str]) -> None:
    told = ask("/alert USD > 95")
    assert told.startswith("Сообщу: USD &gt; 95. Сейчас 1 USD = 75,5273 ₽.\nСообщу один раз")
    assert "уже за этой чертой" in ask("/alert доллар<90")
    assert ask("/alert usd ±2%").startswith("Сообщу: USD ±2")
    assert ask("/alert XXX > 1").startswith("Валюта не найдена: XXX")
    kinds = Alert.objects.order_by("pk").values_list("kind", "armed")
    assert list(kinds) == [("above", True), ("below", False), ("change", True)]
    assert "USD &lt; 90 (ждёт, пока курс вернётся)" in ask("/list")
    assert "(3)" in ask("/stop")
    assert not Alert.objects.exists()
    assert ask("/list").startswith("Пока ничего нет")


def test_languages(ask: Callable[..., str]) -> None:
    assert ask("/start", language_code="en-GB").startswith("Hello!")
    assert ask("/lang ru") == "Теперь по-русски."
    assert ask("100 usd", language_code="en-GB").endswith("Курс Банка России на 25.04.2026")
    assert ask("/lang en") == "English from now on."
    assert ask("100 usd").endswith("Bank of Russia rate for 25 April 2026")


def test_inline_mode(bot: TelegramStandin) -> None:
    person = {"id": 42, "is_bot": False, "first_name": "Ada"}
    for number, text in enumerate(("100 usd", "", "zzzz"), start=1):
        query = {"id": str(number), "from": person, "query": text, "offset": ""}
        bot.state.add_update({"inline_query": query})
        eventually(lambda number=number: len(bot.calls("answerInlineQuery")) == number, 10)  # type: ignore[misc]
    one, all_, none = (json.loads(call["results"]) for call in bot.calls("answerInlineQuery"))
    assert [result["title"] for result in one] == ["100 USD = 7\N{NO-BREAK SPACE}552,73 RUB"]
    assert one[0]["input_message_content"]["message_text"].endswith("урс Банка России на 25.04.2026")
    assert [result["title"].split()[1] for result in all_] == ["USD", "EUR", "CNY"]
    assert none == []
    assert not Chat.objects.exists()


def test_groups_are_served_by_commands_only(bot: TelegramStandin) -> None:
    for text in ("100 usd", "/nonsense", "/convert@another_bot 100 usd", "/convert@rates_standin_bot 100 usd"):
        bot.say(-77, text)
    bot.say(42, "/help")
    eventually(lambda: len(bot.messages) == 2, 10)
    assert sorted(chat for chat, _ in bot.messages) == [-77, 42]


def test_a_group_that_moves_takes_its_plans_along(bot: TelegramStandin, ask: Callable[..., str]) -> None:
    ask("/subscribe 9:00", chat_id=-5)
    ask("/alert USD > 95", chat_id=-5)
    message = {"message_id": 1, "date": 1, "chat": {"id": -5, "type": "group", "title": "Friends"}}
    bot.state.add_update({"message": message | {"migrate_to_chat_id": -1005}})
    eventually(lambda: Chat.objects.filter(pk=-5, migrated_to=-1005).exists(), 10)
    assert Subscription.objects.get().chat_id == Alert.objects.get().chat_id == -1005
    assert chats.get(-5).pk == -1005


def test_who_blocks_the_bot_is_disabled_until_they_write(bot: TelegramStandin, ask: Callable[..., str]) -> None:
    person = {"id": 42, "is_bot": False, "first_name": "Ada"}
    me = {"id": 123456, "is_bot": True, "first_name": "Rates"}
    event = {"chat": {"id": 42, "type": "private"}, "from": person, "date": 1}
    event["old_chat_member"] = {"status": "member", "user": me}
    event["new_chat_member"] = {"status": "kicked", "user": me, "until_date": 0}
    bot.state.add_update({"my_chat_member": event})
    eventually(lambda: Chat.objects.filter(pk=42, disabled=True, disabled_reason="blocked").exists(), 10)
    ask("/start")
    assert not Chat.objects.get(pk=42).disabled


def test_an_answer_is_refused_or_put_off(bot: TelegramStandin, ask: Callable[..., str]) -> None:
    bot.fail("429", retry_after=0)
    assert ask("/help") == texts.render("bot/help")
    bot.fail("403")
    bot.say(42, "/help")
    eventually(lambda: Chat.objects.filter(pk=42, disabled=True).exists(), 10)
    assert "blocked" in Chat.objects.get(pk=42).last_error


def test_an_error_is_told_and_does_not_stop_the_bot(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(chat_id: int) -> int:
        raise RuntimeError("odd")

    monkeypatch.setattr(chats, "stop", broken)
    assert ask("/stop") == texts.render("bot/sorry")
    assert "RuntimeError: odd" in caplog.text
    assert ask("/help") == texts.render("bot/help")


def test_what_people_write_is_escaped() -> None:
    assert re.search("&lt;b&gt;", texts.render("bot/deleted", number="<b>"))
