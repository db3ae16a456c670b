"""A written message is sent, once, whatever happens around it; what is refused disables its chat."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from notifier import chats, delivery, limits, messages, posting, requests
from notifier.models import Chat, Message, RateRequest, Subscription
from notifier.tasks import post
from tests.standins.telegram import TelegramStandin


@pytest.fixture
def message(db: None) -> Message:
    chats.seen(42)
    messages.write("digest", "digest:1", 42, "text")
    return Message.objects.get()


def again() -> Message:
    return Message.objects.get()


def test_a_key_is_written_once(message: Message) -> None:
    assert not messages.write("digest", "digest:1", 42, "another")
    assert again().text == "text"


def test_it_arrives_once(message: Message, standin: TelegramStandin) -> None:
    post.apply(args=(str(message.pk),), throw=True)
    posting.post(str(message.pk))
    assert standin.messages == [(42, "text")]
    assert (again().status, again().attempts, again().sweep_at) == ("sent", 1, None)


def test_two_tasks_at_once_send_once(message: Message, standin: TelegramStandin) -> None:
    messages.start_sending(message.pk)
    with pytest.raises(delivery.TryAgain):
        posting.post(str(message.pk))
    assert standin.messages == []
    Message.objects.update(lease_until=timezone.now())
    posting.post(str(message.pk))
    assert len(standin.messages) == 1


def test_a_long_text_arrives_in_parts_each_once(db: None, standin: TelegramStandin) -> None:
    lines = [f"line {number} " + "🔔" * 40 for number in range(100)]
    messages.write("digest", "long", 42, "\n".join(lines))
    message = again()
    for _ in range(2):
        with pytest.raises(delivery.TryAgain):
            posting.post(str(message.pk))
    standin.fail("500")
    with pytest.raises(delivery.TryAgain):
        posting.post(str(message.pk))
    posting.post(str(message.pk))
    assert len(standin.messages) == 3
    assert "\n".join(text for _, text in standin.messages).split("\n") == lines
    assert (again().status, again().parts_sent) == ("sent", 3)


def test_patience_that_telegram_asks_for(message: Message, standin: TelegramStandin) -> None:
    standin.fail("429", retry_after=30)
    with pytest.raises(delivery.TryAgain) as told:
        posting.post(str(message.pk))
    assert 30 < told.value.delay < 35
    assert (again().lease_until, again().error_code, again().attempts) == (None, "send_failed", 1)


def test_a_wait_for_ones_turn_is_no_try(
    message: Message, standin: TelegramStandin, empty_redis: str, settings: Any
) -> None:
    limits.reset()
    settings.TELEGRAM_CHAT_INTERVAL_SECONDS = 1
    assert limits.take(42) == 0
    with pytest.raises(delivery.TryAgain) as told:
        posting.post(str(message.pk))
    assert 0.5 < told.value.delay <= 1
    assert (again().attempts, again().lease_until) == (0, None)


def test_the_same_for_a_request(
    row: RateRequest, found: dict[str, Any], standin: TelegramStandin, empty_redis: str, settings: Any
) -> None:
    limits.reset()
    settings.TELEGRAM_CHAT_INTERVAL_SECONDS = 1
    assert limits.take(42) == 0
    with pytest.raises(delivery.TryAgain) as told:
        delivery.deliver(found, str(row.pk))
    assert 0.5 < told.value.delay <= 1
    row.refresh_from_db()
    assert (row.notify_attempts, row.lease_until, row.error_code) == (0, None, "")
    settings.TELEGRAM_CHAT_INTERVAL_SECONDS = 0
    delivery.deliver(found, str(row.pk))
    assert len(standin.messages) == 1


def test_who_has_blocked_the_bot(message: Message, standin: TelegramStandin) -> None:
    standin.fail("403")
    posting.post(str(message.pk))
    chat = Chat.objects.get(pk=42)
    assert (chat.disabled, chat.disabled_reason, chat.last_error) == (
        *(True, "blocked"),
        "Forbidden: bot was blocked by the user",
    )
    assert (again().status, again().error_code) == ("failed", "blocked")


def test_a_request_disables_and_enables_too(row: RateRequest, found: dict[str, Any], standin: TelegramStandin) -> None:
    standin.fail("deactivated")
    delivery.deliver(found, str(row.pk))
    assert Chat.objects.get(pk=42).disabled_reason == "deactivated"
    second = requests.accept("USD", 42)
    delivery.deliver(found, str(second.pk))
    assert not Chat.objects.get(pk=42).disabled


def test_a_refused_token_says_nothing_of_the_chat(message: Message, standin: TelegramStandin) -> None:
    standin.fail("401")
    posting.post(str(message.pk))
    assert not Chat.objects.get(pk=42).last_error


def test_a_group_that_moved(db: None, standin: TelegramStandin) -> None:
    chat = chats.seen(-5)
    Subscription.objects.create(chat=chat, at=dt.time(9), zone="UTC", next_at=timezone.now())
    messages.write("digest", "one", -5, "one")
    messages.write("digest", "two", -5, "two")
    standin.fail("migrate", chat_id=-5, to=-1005)
    for message in Message.objects.order_by("created_at"):
        posting.post(str(message.pk))
    assert standin.messages == [(-1005, "one"), (-1005, "two")]
    assert Subscription.objects.get().chat_id == -1005
    assert Chat.objects.get(pk=-5).migrated_to == -1005


def test_a_request_is_told_in_the_chats_language(row: RateRequest, found: dict[str, Any], outbox: list[Any]) -> None:
    chats.seen(42, "en")
    delivery.deliver(found, str(row.pk))
    assert outbox[0].text.startswith("US Dollar (USD)")


def test_what_was_not_published_is_published_later(
    message: Message, published: Callable[[], list[dict[str, Any]]]
) -> None:
    assert messages.publish_stuck(9) == 0
    Message.objects.update(sweep_at=timezone.now())
    assert messages.publish_stuck(9) == 1
    assert [one["args"] for one in published()] == [[str(message.pk)]]
    assert messages.publish_stuck(9) == 0


def test_a_message_of_yesterday_is_not_sent(message: Message, standin: TelegramStandin) -> None:
    Message.objects.update(created_at=timezone.now() - dt.timedelta(hours=25), sweep_at=timezone.now())
    assert messages.publish_stuck(9) == 0
    assert (again().status, again().error_code) == ("failed", "expired")


def test_a_broker_that_is_away(message: Message, broker_away: None) -> None:
    assert not messages.publish(message.pk)
    assert again().status == "waiting"


@pytest.mark.parametrize(
    ("model", "column", "query"),
    [
        ("message", "telegram_id", "42"),
        ("chat", "id", "-42"),
        ("subscription", "chat_id", "42"),
        ("alert", "chat_id", "42"),
    ],
)
def test_the_admins_search_for_an_id_is_one_that_an_index_serves(
    admin_client: Client, model: str, column: str, query: str, django_assert_max_num_queries: Any
) -> None:
    """Not of ids that are made text: that reads every row."""
    with django_assert_max_num_queries(10) as asked:
        admin_client.get(f"/admin/notifier/{model}/?q={query}")
    searches = [one["sql"] for one in asked.captured_queries if f'"{column}" = {query}' in one["sql"]]
    assert searches and not any("CAST" in sql or "LIKE" in sql or "UPPER" in sql for sql in searches)


def test_the_admin_shows_chats_and_sends_tests(
    message: Message, admin_client: Client, standin: TelegramStandin
) -> None:
    chats.refused(42, "blocked", "Forbidden: bot was blocked by the user")
    page = admin_client.get("/admin/notifier/chat/?disabled__exact=1").content.decode()
    assert "Forbidden: bot was blocked by the user" in page
    for name in ("subscription", "alert", "message"):
        assert admin_client.get(f"/admin/notifier/{name}/").status_code == 200
        for query in ("42", "-42", "usd", "9" * 30, "٤٢"):
            assert admin_client.get(f"/admin/notifier/{name}/?q={query}").status_code == 200
    # The button on the chat's own page.
    page = admin_client.get("/admin/notifier/chat/42/change/").content.decode()
    (form,) = re.findall(r'(?s)<form method="post" action="(/admin/notifier/chat/)">(.+?)Send a test message', page)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[1]))
    assert admin_client.post(form[0], fields, follow=True).status_code == 200
    test = Message.objects.get(kind="test")
    posting.post(str(test.pk))
    assert standin.messages == [(42, "Это пробное сообщение: бот может сюда писать.")]
    assert not Chat.objects.get(pk=42).disabled
