"""What people do with a mouse: ask by the API's form, read the log, change the schedule, try the API out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
import requests
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as that
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser.steps import (
    ANSWER,
    FORM,
    TIMEOUT,
    another_page,
    choose,
    click,
    follow,
    kept_out,
    leave,
    log_in,
    one,
    send_form,
)
from tests.run.conftest import Run
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TelegramStandin
from tests.waiting import eventually

# One start of the service, for whichever test is the first.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def test_a_request_from_the_form_to_the_log(service: Run, browser: WebDriver, telegram: TelegramStandin) -> None:
    browser.get(f"{service.page}api/v1/")
    follow(browser, f"{service.page}api/v1/rate-requests/")
    answer = send_form(browser, "usd", "-1009001")
    assert "202 Accepted" in answer
    status_url = re.findall(r'"status_url": "(.+?)"', answer)[0]
    follow(browser, status_url)
    assert browser.current_url == status_url

    def delivered() -> bool:
        browser.refresh()
        return '"status": "delivered"' in one(browser, ANSWER).text

    eventually(delivered, TIMEOUT, every=0.5)
    assert '"value": "75.5273"' in one(browser, ANSWER).text
    (text,) = [text for chat, text in telegram.messages if chat == -1009001]
    assert "1 USD = 75,5273 ₽" in text

    log_in(browser, service)
    follow(browser, "Rate requests")
    one(browser, "#searchbar").send_keys("-1009001")
    leave(browser, "#changelist-search [type=submit]")
    (row,) = browser.find_elements(By.CSS_SELECTOR, "#result_list tbody tr")
    assert "Delivered" in row.text
    request_id = urlsplit(status_url).path.rstrip("/").rpartition("/")[2]
    follow(browser, request_id[:8])
    opened = one(browser, "#content").text
    assert request_id in opened
    assert "1 USD = 75,5273 ₽" in opened


def test_a_mistake_in_the_form_is_told_at_its_field(service: Run, browser: WebDriver) -> None:
    browser.get(f"{service.page}api/v1/rate-requests/")
    answer = send_form(browser, "DOLLAR", "0")
    assert "400 Bad Request" in answer
    fields = browser.find_elements(By.CSS_SELECTOR, f"{FORM} .has-error")
    assert ["three Latin letters" in fields[0].text, "other than 0" in fields[1].text] == [True, True]
    assert one(browser, f"{FORM} [name=currency_char_code]").get_attribute("value") == "DOLLAR"
    assert "202 Accepted" in send_form(browser, "EUR", "-1009002")


def test_the_schedule_is_run_and_changed_in_the_admin(service: Run, browser: WebDriver, cbr: CbrStandin) -> None:
    log_in(browser, service)
    follow(browser, "Periodic tasks")
    asked = len(cbr.requests)
    choose(browser, "Rates, every hour", "Run selected tasks")
    assert "1 task was successfully run" in one(browser, ".messagelist").text
    eventually(lambda: len(cbr.requests) > asked, TIMEOUT)

    # From its crontab to an interval that is there: beat is to see that by itself within a minute.
    follow(browser, "Rates, every hour")
    Select(one(browser, "[name=crontab]")).select_by_value("")
    Select(one(browser, "[name=interval]")).select_by_visible_text("every 20 seconds")
    leave(browser, "[name=_save]")
    assert "was changed successfully" in one(browser, ".messagelist").text
    asked = len(cbr.requests)
    eventually(lambda: len(cbr.requests) > asked, TIMEOUT)


def test_the_documentation_tries_the_api_out(service: Run, browser: WebDriver, telegram: TelegramStandin) -> None:
    browser.get(service.page)
    follow(browser, "Документация")
    post = "[id$=rate_requests_create]"
    click(browser, f"{post} .opblock-summary-control")
    click(browser, f"{post} .try-out__btn")
    click(browser, f"{post} .execute")
    status = f"{post} .live-responses-table tbody .response-col_status"
    shown = WebDriverWait(browser, TIMEOUT).until(that.visibility_of_element_located((By.CSS_SELECTOR, status)))
    assert shown.text.startswith("202")
    eventually(lambda: any(chat == 42 for chat, _ in telegram.messages), TIMEOUT)


def test_rates_are_found_converted_and_sent_on_the_page(
    service: Run, browser: WebDriver, telegram: TelegramStandin
) -> None:
    browser.get(service.page)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#rates tbody tr")) == 54
    assert "25.04.2026" in one(browser, "main").text
    follow(browser, "English")
    assert "US Dollar" in one(browser, "#rates").text

    one(browser, "#q").send_keys("us dollar")
    eventually(lambda: len(browser.find_elements(By.CSS_SELECTOR, "#rates tbody tr")) < 5, TIMEOUT)
    one(browser, "#amount").clear()
    one(browser, "#amount").send_keys("200")
    eventually(lambda: "15,105.46 RUB" in one(browser, "#conversion").text, TIMEOUT)

    one(browser, "#telegram_id").send_keys("0")
    click(browser, "#send button")
    eventually(lambda: "other than 0" in one(browser, "#send").text, TIMEOUT)
    one(browser, "#telegram_id").clear()
    one(browser, "#telegram_id").send_keys("-1009005")
    click(browser, "#send button")
    eventually(lambda: "Delivered" in one(browser, "#sent").text, TIMEOUT)
    eventually(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "#sent .message")), TIMEOUT)
    (text,) = [text for chat, text in telegram.messages if chat == -1009005]
    assert one(browser, "#sent .message").text == text.strip()
    assert urlsplit(browser.current_url).path == "/"


def test_the_range_of_a_chart_is_chosen(service: Run, browser: WebDriver) -> None:
    browser.get(f"{service.page}?lang=en")
    follow(browser, "USD")
    page, loaded = one(browser, "html"), "const one = arguments[0]; return one.complete && one.naturalWidth > 0"

    def choose_range(text: str, name: str) -> None:
        browser.find_element(By.LINK_TEXT, text).send_keys("\n")  # by the keyboard
        eventually(lambda: browser.current_url.endswith(f"?range={name}"), TIMEOUT)
        assert browser.switch_to.active_element.text == text
        image = one(browser, "#chart img")
        assert f"range={name}" in str(image.get_attribute("src"))
        eventually(lambda: browser.execute_script(loaded, image) is True, TIMEOUT)

    # The recorded series is of March.
    assert "Too few rates of this time are stored." in one(browser, "#chart").text
    choose_range("90 days", "90d")
    choose_range("1 year", "1y")
    assert one(browser, "html") == page  # only the chart was taken over
    one(browser, "summary").click()
    assert "75.5273" in one(browser, "#chart table").text


def test_without_javascript_rates_are_read_and_sent(
    service: Run, browser: WebDriver, telegram: TelegramStandin
) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{service.page}?lang=en")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#rates tbody tr")) == 54
    one(browser, "#q").send_keys("dollar", "\n")
    eventually(lambda: 1 < len(browser.find_elements(By.CSS_SELECTOR, "#rates tbody tr")) < 10, TIMEOUT)
    one(browser, "#telegram_id").send_keys("-1009011")
    click(browser, "#send button")
    # The page asks again by itself, until the message is there.
    arrived = that.visibility_of_element_located((By.CSS_SELECTOR, "#progress .message"))
    assert "1 USD = 75,5273 ₽" in WebDriverWait(browser, TIMEOUT).until(arrived).text
    assert [chat for chat, _ in telegram.messages].count(-1009011) == 1


def test_the_status_page_tells_of_queues_workers_and_errors(service: Run, browser: WebDriver) -> None:
    browser.get(f"{service.page}status?lang=en")

    def whole() -> bool:
        browser.refresh()
        parts = {name: one(browser, f"[aria-labelledby={name}]").text for name in ("queues", "workers", "sheet")}
        return (
            all(f"{queue}: waiting" in parts["queues"] for queue in ("rates", "notifications"))
            and all(f"{worker}@" in parts["workers"] or worker in parts["workers"] for worker in ("rates", "notifi"))
            and "2026" in parts["sheet"]
        )

    eventually(whole, TIMEOUT, every=0.5)
    assert "Errors" in one(browser, "[aria-labelledby=requests]").text


@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "ru")])
def test_pages_keep_nobody_out(service: Run, browser: WebDriver, theme: str, language: str) -> None:
    """No finding of axe that is serious, and nothing wider than a small phone's screen. tests/browser/pictures.py has
    all pages in all ways."""
    browser.set_window_size(500, 900)  # the narrowest that Chromium has
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    for path in ("", "rates/USD/", "status"):
        browser.get(f"{service.page}{path}?theme={theme}&lang={language}")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 320, path
        assert kept_out(browser) == []


def test_the_dashboard_tells_that_it_works(service: Run, browser: WebDriver) -> None:
    service.ask("USD", -1009006)
    log_in(browser, service)
    follow(browser, "Dashboard: is it working?")
    shown = one(browser, ".dashboard").text
    for text in ("rates: lag", "notifications: lag", "dead letters", "2026-04-25", "running"):
        assert text in shown
    follow(browser, "dead letters")
    assert "There are none." in one(browser, "#content").text


def test_a_token_is_made_used_and_revoked(service: Run, browser: WebDriver) -> None:
    log_in(browser, service)
    browser.get(f"{service.page}admin/accounts/apitoken/add/")
    one(browser, "[name=name]").send_keys("a shop")
    leave(browser, "[name=_save]")
    secret = one(browser, "code.secret").text
    mine = f"{service.page}api/v1/rate-requests/"

    def status() -> int:
        return requests.get(mine, headers={"Authorization": f"Bearer {secret}"}, timeout=30).status_code

    assert status() == 200
    follow(browser, "All tokens")
    assert secret not in browser.page_source
    choose(browser, "a shop", "Revoke selected tokens")
    assert "1 revoked" in one(browser, ".messagelist").text
    assert status() == 401


def test_a_chat_is_sent_a_test_message(service: Run, browser: WebDriver, telegram: TelegramStandin) -> None:
    def said() -> int:
        return [chat for chat, _ in telegram.messages].count(9012)

    telegram.say(9012, "/start")
    eventually(lambda: said() == 1, TIMEOUT)
    log_in(browser, service)
    browser.get(f"{service.page}admin/notifier/chat/9012/change/")
    with another_page(browser):
        browser.find_element(By.XPATH, "//button[text()='Send a test message']").click()
    assert "On their way" in one(browser, ".messagelist").text
    eventually(lambda: said() == 2, TIMEOUT)


def test_dead_letters_are_replayed_and_dropped(service: Run, browser: WebDriver) -> None:
    """A task that no worker knows dies, dies again, and goes."""
    task = "nobody.knows.it"
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    call = [sys.executable, "-m", "celery", "-A", "project", "call", task]
    subprocess.run(call, cwd=service.folder, env=clean, check=True, capture_output=True, timeout=TIMEOUT)
    log_in(browser, service)

    def letters() -> list[str]:
        browser.get(f"{service.page}admin/dead-letters/")
        rows = browser.find_elements(By.XPATH, f"//table//tr[contains(., '{task}')]")
        return [row.find_element(By.NAME, "id").get_attribute("value") or "" for row in rows]

    def handle(letter: str, action: str) -> None:
        browser.find_element(By.CSS_SELECTOR, f"[name=id][value='{letter}']").click()
        leave(browser, f"[name=action][value={action}]")
        assert task in one(browser, "#content").text  # it asks first
        leave(browser, "#content [type=submit]")

    eventually(lambda: len(letters()) == 1, TIMEOUT)
    (first,) = letters()
    handle(first, "replay")
    assert "Replayed: 1 of 1" in one(browser, ".messagelist").text
    eventually(lambda: letters() not in ([], [first]), TIMEOUT)
    (second,) = letters()
    handle(second, "drop")
    assert "Dropped: 1 of 1" in one(browser, ".messagelist").text
    eventually(lambda: letters() == [], TIMEOUT)
    browser.get(f"{service.page}admin/admin/logentry/")
    assert f"dead letter {second}" in one(browser, "#result_list").text
