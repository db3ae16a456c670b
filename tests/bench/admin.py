"""python -m tests.bench.admin [ROWS]: fills a scratch database with rate requests, and times the admin's pages on it.

The database is DATABASE_URL's with the name of Django's test database, or SQLite in a temporary folder; it is made for
this and dropped at the end.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import sys
import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.test import Client

CODES = ("USD", "EUR", "CNY", "KZT", "TRY", "GBP", "JPY", "AMD", "BYN", "CHF")
ERRORS = ("blocked", "chat_not_found", "no_rates", "send_failed")
BATCH = 5000
DAYS = 60
LOG = "/admin/notifier/raterequest/"
PAGES = {
    "list": LOG,
    "last page that is counted": f"{LOG}?p=200",
    "filter: status": f"{LOG}?status__exact=failed",
    "filter: currency": f"{LOG}?currency_char_code=AMD",
    "filter: error": f"{LOG}?error_code=no_rates",
    "filter: nothing found": f"{LOG}?currency_char_code=ZZZ",
    "filter: status and currency": f"{LOG}?status__exact=failed&currency_char_code=AMD",
    "search: Telegram id": f"{LOG}?q=12345",
    "search: beginning of an id": f"{LOG}?q=abcd",
    "search: currency": f"{LOG}?q=usd",
    "dashboard": "/admin/dashboard/",
    "dashboard, 48 h": "/admin/dashboard/?hours=48",
    "status": "/status",
}


def fill(count: int) -> None:
    from django.utils import timezone

    from notifier.models import RateRequest

    now, choose = timezone.now(), random.Random(1)
    for start in range(0, count, BATCH):
        rows = []
        for _ in range(min(BATCH, count - start)):
            created = now - dt.timedelta(seconds=choose.uniform(60, DAYS * 86400))
            failed = choose.random() < 0.02
            rows.append(
                RateRequest(
                    id=uuid.UUID(int=choose.getrandbits(128), version=4),
                    currency_char_code=choose.choice(CODES),
                    telegram_id=choose.randrange(1, 100_000),
                    status="failed" if failed else "delivered",
                    created_at=created,
                    accepted_at=created,
                    finished_at=created + dt.timedelta(seconds=choose.expovariate(2)),
                    found=True,
                    nominal=1,
                    value=Decimal("75.5273"),
                    sheet_date=created.date(),
                    fresh=True,
                    error_code=choose.choice(ERRORS) if failed else "",
                )
            )
        RateRequest.objects.bulk_create(rows)


def seconds(client: Client, path: str) -> float:
    from project import glance

    glance.forget()
    glance.glance()  # the brokers aren't what is measured
    glance.sheet.forget()
    glance.log_figures.forget()
    for hour in glance.hours.values():
        hour.forget()
    started = time.perf_counter()
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return time.perf_counter() - started


def main(count: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    own = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        started = time.perf_counter()
        fill(count)
        print(f"{count:,} rows in {time.perf_counter() - started:.0f} s, {connection.vendor}")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        client = Client(SERVER_NAME="localhost")
        client.force_login(User.objects.create_superuser("bench"))
        seconds(client, "/admin/")
        for name, path in PAGES.items():
            print(f"{name:30}{min(seconds(client, path) for _ in range(3)) * 1000:9.0f} ms")
    finally:
        connection.creation.destroy_test_db(str(own), verbosity=0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
