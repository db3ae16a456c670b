"""bin/bench admin: how long the admin's lists and the dashboard take at a million requests.

It fills a scratch database, as time would: rate requests of sixty days, as many messages, and a tenth of that of chats,
digests, alerts and entries of the audit. Then each page is asked for five times, and its fastest time is shown: on
SQLite in a temporary file, with --postgres on a PostgreSQL that is started for it. Ends with 1 where a page took longer
than --most.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.postgres import Missing, Postgres

if TYPE_CHECKING:
    from django.db.models import Model
    from django.test import Client

CODES = ("USD", "EUR", "CNY", "KZT", "TRY", "GBP", "JPY", "AMD", "BYN", "CHF")
ERRORS = ("blocked", "chat_not_found", "no_rates", "send_failed")
# Rows that are made by the models; the others are copies of these, later.
BLOCK = 10_000
DAYS = dt.timedelta(days=60)
# Of requests and messages; of chats and what is theirs there are a tenth.
PART = 10
# Of each page; the fastest counts, for others use the machine too.
TRIES = 5
CHATS_FROM = 1_000_000
LOG, MESSAGES, CHATS = ("/admin/notifier/" + name for name in ("raterequest/", "message/", "chat/"))
WEEK = "created_at__gte={week}+00:00:00%2B00:00&created_at__lt={tomorrow}+00:00:00%2B00:00"
PAGES = {
    "requests": LOG,
    "requests: last page that is counted": f"{LOG}?p={{last}}",
    "requests: by Telegram id": f"{LOG}?o=4",
    "requests: status": f"{LOG}?status__exact=failed",
    "requests: currency": f"{LOG}?currency_char_code=AMD",
    "requests: error": f"{LOG}?error_code=no_rates",
    "requests: last seven days": f"{LOG}?{WEEK}",
    "requests: status and last seven days": f"{LOG}?{WEEK}&status__exact=failed",
    "requests: a year": f"{LOG}?created_at__year={{year}}",
    "requests: a month": f"{LOG}?created_at__year={{year}}&created_at__month={{month}}",
    "requests: nothing found": f"{LOG}?currency_char_code=ZZZ",
    "requests: status and currency": f"{LOG}?status__exact=failed&currency_char_code=AMD",
    "requests: search Telegram id": f"{LOG}?q={CHATS_FROM + 12}",
    "requests: search beginning of an id": f"{LOG}?q=abcd",
    "requests: search currency": f"{LOG}?q=usd",
    "messages": MESSAGES,
    "messages: status": f"{MESSAGES}?status__exact=failed",
    "messages: kind": f"{MESSAGES}?kind__exact=alert",
    "messages: search Telegram id": f"{MESSAGES}?q={CHATS_FROM + 12}",
    "chats": CHATS,
    "chats: disabled": f"{CHATS}?disabled__exact=1",
    "chats: why": f"{CHATS}?disabled_reason=blocked",
    "chats: by last error": f"{CHATS}?o=-7",
    "digests": "/admin/notifier/subscription/",
    "alerts": "/admin/notifier/alert/",
    "alerts: currency": "/admin/notifier/alert/?q=AMD",
    "audit": "/admin/admin/logentry/",
    "dashboard": "/admin/dashboard/",
    "dashboard, 48 h": "/admin/dashboard/?hours=48",
    "status page": "/status",
}


def fill(rows: int) -> None:
    from django.contrib.auth.models import User

    admin = User.objects.create_superuser("bench")
    some = random.Random(1)
    makers: list[tuple[Callable[[int, random.Random, dt.datetime, Any], Model], int]] = [
        (chat, rows // PART),
        (rate_request, rows),
        (message, rows),
        (subscription, rows // PART),
        (alert, rows // PART),
        (entry, rows // PART),
    ]
    for make, count in makers:
        blocks = max(1, count // BLOCK)
        span = DAYS / blocks
        first = dt.datetime.now(dt.UTC) - DAYS
        numbers = range(min(count, BLOCK))
        made = [make(number, some, first + span * (number / len(numbers)), admin) for number in numbers]
        type(made[0])._default_manager.bulk_create(made)
        multiply(type(made[0]), blocks, span)


def multiply(model: type[Model], blocks: int, span: dt.timedelta) -> None:
    """The rows of the first block again and again, each time with new keys and as much later: to make them all in
    Python takes many times as long."""
    from django.db import connection
    from django.db.models import AutoField, BigAutoField, DateTimeField, UUIDField

    quote, postgres = connection.ops.quote_name, connection.vendor == "postgresql"
    later = "{} + %s * interval '1 second'" if postgres else "strftime('%%Y-%%m-%%d %%H:%%M:%%f', {}, %s || ' seconds')"
    id = "gen_random_uuid()" if postgres else "lower(hex(randomblob(16)))"
    fields = [one for one in model._meta.concrete_fields if not isinstance(one, AutoField | BigAutoField)]
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk and model._meta.pk.column))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE block AS SELECT * FROM {table}")
        for number in range(1, blocks):
            values, given = [], []
            for field in fields:
                column = quote(str(field.column))
                if isinstance(field, UUIDField):
                    values.append(id)
                elif isinstance(field, DateTimeField):
                    values.append(later.format(column))
                    given.append(number * span.total_seconds())
                elif field.name == "key":
                    values.append(f"{column} || '-{number}'")
                elif field.name in ("chat", "id"):
                    values.append(f"{column} + {number * BLOCK}")
                else:
                    values.append(column)
            names = ", ".join(quote(str(field.column)) for field in fields)
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM block ORDER BY {key}", given)
        cursor.execute("DROP TABLE block")


def rate_request(number: int, some: random.Random, created: dt.datetime, admin: Any) -> Model:
    from notifier.models import RateRequest

    failed = some.random() < 0.02
    return RateRequest(
        id=uuid.UUID(int=some.getrandbits(128), version=4),
        currency_char_code=some.choice(CODES),
        telegram_id=CHATS_FROM + some.randrange(BLOCK),
        status="failed" if failed else "delivered",
        created_at=created,
        accepted_at=created,
        finished_at=created + dt.timedelta(seconds=some.expovariate(2)),
        found=True,
        nominal=1,
        value=Decimal("75.5273"),
        sheet_date=created.date(),
        fresh=True,
        error_code=some.choice(ERRORS) if failed else "",
    )


def message(number: int, some: random.Random, created: dt.datetime, admin: Any) -> Model:
    from notifier.models import Message

    failed = some.random() < 0.02
    return Message(
        id=uuid.UUID(int=some.getrandbits(128), version=4),
        kind="alert" if some.random() < 0.05 else "digest",
        key=f"bench:{number}",
        telegram_id=CHATS_FROM + some.randrange(BLOCK),
        text="1 USD = 75,5273 ₽",
        status="failed" if failed else "sent",
        created_at=created,
        finished_at=created + dt.timedelta(seconds=some.expovariate(2)),
        error_code="blocked" if failed else "",
    )


def chat(number: int, some: random.Random, created: dt.datetime, admin: Any) -> Model:
    from notifier.models import Chat

    gone = some.random() < 0.1
    return Chat(
        id=CHATS_FROM + number,
        language=some.choice(["ru", "en", ""]),
        created_at=created,
        disabled=gone,
        disabled_reason=some.choice(ERRORS[:2]) if gone else "",
        last_error="Forbidden: bot was blocked by the user" if gone else "",
        last_error_at=created if gone else None,
    )


def subscription(number: int, some: random.Random, created: dt.datetime, admin: Any) -> Model:
    from notifier.models import Subscription

    zone = some.choice(["Europe/Moscow", "Asia/Almaty", "Asia/Yekaterinburg"])
    return Subscription(chat_id=CHATS_FROM + number, at=dt.time(9), zone=zone, next_at=created)


def alert(number: int, some: random.Random, created: dt.datetime, admin: Any) -> Model:
    from notifier.models import Alert

    high = Decimal(some.randrange(80, 120))
    return Alert(chat_id=CHATS_FROM + number, char_code=some.choice(CODES), kind="above", threshold=high, high=high)


def entry(number: int, some: random.Random, created: dt.datetime, admin: Any) -> Model:
    from django.contrib.admin.models import CHANGE, LogEntry

    about = {"object_id": str(number), "object_repr": "a request", "change_message": "Sent again."}
    return LogEntry(user=admin, action_time=created, action_flag=CHANGE, **about)


def seconds(client: Client, path: str) -> float:
    from project import glance

    glance.forget()
    glance.glance()  # the brokers aren't what is measured
    glance.sheet.forget()
    glance.log_figures.forget()
    glance.people.forget()
    for hour in glance.hours.values():
        hour.forget()
    started = time.perf_counter()
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return time.perf_counter() - started


def measured(rows: int) -> Iterator[tuple[str, float]]:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get())
    seconds(client, "/admin/")
    today = dt.datetime.now(dt.UTC).date()
    parts = {
        "week": today - dt.timedelta(days=7),
        "tomorrow": today + dt.timedelta(days=1),
        "year": today.year,
        "month": today.month,
        "last": min(rows // 50, 200),
    }
    for name, path in PAGES.items():
        yield name, min(seconds(client, path.format(**parts)) for _ in range(TRIES))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench admin", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="requests (1000000)")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL; else on SQLite")
    parser.add_argument("--most", type=float, default=0.5, metavar="SECONDS", help="a page may take (0.5)")
    args = parser.parse_args(arguments)
    with ExitStack() as stack:
        if args.postgres:
            try:
                server = Postgres()
            except Missing as reason:
                print(f"bin/bench admin: {reason}", file=sys.stderr)
                return 2
            stack.callback(server.stop)
            os.environ["DATABASE_URL"] = server.url
        return _measure(args.rows, args.most)


def _measure(rows: int, most: float) -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    import django

    django.setup()
    from django.db import connection

    own = str(connection.settings_dict["NAME"])
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        fill(rows)
        with connection.cursor() as cursor:
            # As autovacuum does.
            cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
        version = ".".join(map(str, connection.get_database_version()))
        print(
            f"{rows:,} requests and messages, {connection.display_name} {version}\n\n| page | ms |\n|---|--:|",
            flush=True,
        )
        slow = 0
        for name, time_taken in measured(rows):
            print(f"| {name} | {time_taken * 1000:.0f} |", flush=True)
            slow += time_taken > most
        return 1 if slow else 0
    finally:
        connection.creation.destroy_test_db(own, verbosity=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
