"""Takes the pictures of the README in Chromium: python -m tests.browser.pictures [--all FOLDER]

It starts bin/run in a copy of the project, between the stand-ins for the Bank and the Bot API, and looks at its pages
as people do. The rates are made up: a year that ends with the newest sheet there can be. With --all every page is
taken, in both colours, both languages, on a desk and on a phone, to be looked at; axe looks too, and what it finds
serious is told, with exit status 1.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from rates import schedule
from rates.sheets import parse_sheet
from tests.browser.conftest import ARGUMENTS
from tests.browser.steps import TIMEOUT, kept_out, log_in, one, send_form
from tests.run.conftest import COPIED, ROOT, Run
from tests.standins.cbr import CbrStandin, recorded_sheets, wire_sheet
from tests.standins.telegram import TOKEN, TelegramStandin
from tests.waiting import eventually

IMAGES = ROOT / "docs" / "images"
DESK, PHONE = (1000, 800), (390, 844)
# The search box of Django's admin has a picture for its label; that has a text to read, which axe would have visible.
DJANGOS = {"label-title-only"}
ADMIN = (
    *["", "dashboard/", "dead-letters/", "notifier/raterequest/", "notifier/chat/", "notifier/chat/42/change/"],
    *["notifier/subscription/", "notifier/alert/", "notifier/message/", "accounts/apitoken/", "accounts/apitoken/add/"],
    *["admin/logentry/", "django_celery_beat/periodictask/", "rates/rate/"],
)
# What a currency's rate changes from one sheet to the next, as a part of it.
STEP = 0.004


def played(first: dt.date, last: dt.date) -> dict[dt.date, bytes]:
    """Made-up sheets for all days that have one: the recorded one, and from there each day a little up or down."""
    some = random.Random(1)
    known = parse_sheet(max(recorded_sheets().items())[1])
    values = {rate.char_code: float(rate.value) for rate in known.rates}
    sheets = {}
    for day in schedule.sheet_days(first, last):
        # Most of it is the rouble's own way, so that currencies go together.
        rouble = some.gauss(0, STEP)
        rows = []
        for rate in known.rates:
            values[rate.char_code] *= 1 + rouble + some.gauss(0, STEP / 3)
            value = str(Decimal(values[rate.char_code]).quantize(Decimal("0.0001"))).replace(".", ",")
            rows.append((rate.cbr_id, rate.num_code, rate.char_code, rate.nominal, rate.name, value))
        sheets[day] = wire_sheet(day, rows)
    return sheets


@contextmanager
def service() -> Iterator[Run]:
    """bin/run with a year of made-up rates, requests that went well and badly, and a chat that knows the bot."""
    last = schedule.expected_sheet(dt.datetime.now(dt.UTC))
    sheets = played(last - dt.timedelta(days=380), last)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pictures-")))
        for name in COPIED:
            source, target = ROOT / name, folder / name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
        cbr = stack.enter_context(CbrStandin(sheets=sheets))
        telegram = stack.enter_context(TelegramStandin())
        run = Run(
            folder, CBR_URL=cbr.url, TELEGRAM_API_URL=telegram.url, BOT_TOKEN=TOKEN, PORT="8000", NOTIFIER_LANGUAGE="en"
        )
        stack.callback(lambda: run.process.poll() is None and run.end())
        run.ready()
        _store(sheets, folder)
        _fill(run, telegram)
        yield run


def _store(sheets: dict[dt.date, bytes], folder: Path) -> None:
    files = []
    for day, body in sheets.items():
        files.append(folder / f"{day}.xml")
        files[-1].write_bytes(body)
    command = [sys.executable, "manage.py", "import_rates", *map(str, files)]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _fill(run: Run, telegram: TelegramStandin) -> None:
    telegram.fail("403", chat_id=1003)
    telegram.fail("chat_not_found", chat_id=1004, times=2)
    asked = [("USD", 42), ("EUR", 1001), ("XXX", 1002), ("KZT", -1001234567890), ("USD", 1003), ("CNY", 1004)]
    for code, telegram_id in asked:
        run.ask(code, telegram_id)
    telegram.say(42, "/subscribe 9:00")
    telegram.say(42, "/alert USD > 500")
    telegram.wait_messages(6, timeout=TIMEOUT)


@contextmanager
def chromium(folder: Path) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (*ARGUMENTS, "--hide-scrollbars", f"--user-data-dir={folder}"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    try:
        yield browser
    finally:
        browser.quit()


def screen(browser: WebDriver, size: tuple[int, int], dark: bool = False) -> None:
    """As on a screen of this size, whose owner likes it light or dark."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def take(browser: WebDriver, file: Path) -> None:
    browser.execute_script("window.scrollTo(0, 0)")
    browser.save_screenshot(str(file))
    print(file, flush=True)


def for_the_readme(browser: WebDriver, run: Run, folder: Path) -> None:
    screen(browser, DESK)
    browser.get(f"{run.page}?lang=en")
    one(browser, "#telegram_id").send_keys("42")
    one(browser, "#send button").click()
    eventually(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "#sent .message")), TIMEOUT)
    screen(browser, (1000, 1320))
    take(browser, folder / "page.png")
    screen(browser, PHONE, dark=True)
    browser.get(f"{run.page}rates/USD/?range=1y&lang=ru")
    take(browser, folder / "phone.png")
    screen(browser, (1000, 920))
    browser.get(f"{run.page}api/v1/rate-requests/")
    send_form(browser, "USD", "42")
    take(browser, folder / "form.png")
    log_in(browser, run)
    # What all of the admin's pages have at their side takes a third of a picture.
    browser.execute_script("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
    screen(browser, (1580, 700))
    browser.get(f"{run.page}admin/notifier/raterequest/")
    take(browser, folder / "log.png")
    screen(browser, (1100, 880))
    browser.get(f"{run.page}admin/dashboard/")
    take(browser, folder / "dashboard.png")


def all_pages(browser: WebDriver, run: Run, folder: Path) -> int:
    """Whole pages, however long they are. Returns how many of them keep somebody out."""
    log_in(browser, run)
    ours, theirs = ("light", "dark"), (DESK, PHONE)
    asked = run.ask("KZT", 42).rstrip("/").rpartition("/")[2]
    paths = {
        **{"home": "", "search": "?q=доллар", "wrong": "?amount=x", "usd": "rates/USD/?range=90d", "status": "status"},
        **{"request": f"requests/{asked}/"},
    }
    bad = 0
    for (name, path), language, colours, size in itertools.product(paths.items(), ("ru", "en"), ours, theirs):
        path += f"{'&' if '?' in path else '?'}lang={language}"
        bad += look(browser, f"{run.page}{path}", folder / f"{name}-{language}-{colours}-{size[0]}.png", size, colours)
    for path, colours, size in itertools.product(ADMIN, ours, theirs):
        name = f"admin-{path.strip('/').replace('/', '-') or 'index'}"
        bad += look(browser, f"{run.page}admin/{path}", folder / f"{name}-{colours}-{size[0]}.png", size, colours)
    return bad


def look(browser: WebDriver, url: str, file: Path, size: tuple[int, int], colours: str) -> bool:
    """Take the picture; whether the page keeps somebody out."""
    screen(browser, size, colours == "dark")
    browser.get(url)
    height = int(browser.execute_script("return document.documentElement.scrollHeight"))
    screen(browser, (size[0], min(max(height, size[1]), 2400)), colours == "dark")
    take(browser, file)
    found = [one for one in kept_out(browser) if one[0] not in DJANGOS]
    for rule, elements in found:
        print(f"  {rule}: {elements[:3]}", flush=True)
    return bool(found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument(
        "--all", type=Path, metavar="FOLDER", help="take every page there, and not the README's pictures"
    )
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="chromium-") as profile,
        service() as run,
        chromium(Path(profile)) as browser,
    ):
        if args.all:
            args.all.mkdir(parents=True, exist_ok=True)
            return 1 if all_pages(browser, run, args.all) else 0
        for_the_readme(browser, run, IMAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
