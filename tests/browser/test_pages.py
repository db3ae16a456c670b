"""What people do with a mouse: ask by the API's form, read the log, change the schedule, try the API out."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as that
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.run.conftest import Run
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TelegramStandin
from tests.waiting import eventually

# One start of the service, for whichever test is the first.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
TIMEOUT = 60
REQUESTS = "/api/v1/rate-requests/"
# The browsable API's answer, and its form.
ANSWER, FORM = ".response-info", "#post-object-form"


def one(browser: WebDriver, css: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, css)


def click(browser: WebDriver, css: str) -> None:
    """As a person does: once it is there and can be clicked."""
    WebDriverWait(browser, TIMEOUT).until(that.element_to_be_clickable((By.CSS_SELECTOR, css))).click()


def follow(browser: WebDriver, text: str) -> None:
    """The link with this text; returns when another page is there."""
    page = one(browser, "html")
    browser.find_element(By.LINK_TEXT, text).click()
    WebDriverWait(browser, TIMEOUT).until(that.staleness_of(page))


def send_form(browser: WebDriver, code: str, telegram_id: str) -> str:
    """Fill and send the browsable API's form; what it answers."""
    for name, value in (("currency_char_code", code), ("telegram_id", telegram_id)):
        field = one(browser, f"{FORM} [name={name}]")
        field.clear()
        field.send_keys(value)
    page = one(browser, "html")
    click(browser, f"{FORM} button.btn-primary")
    WebDriverWait(browser, TIMEOUT).until(that.staleness_of(page))
    return one(browser, ANSWER).text


def log_in(browser: WebDriver, service: Run) -> None:
    browser.get(service.line("  Admin ").split()[-1])
    one(browser, "[name=username]").send_keys("admin")
    one(browser, "[name=password]").send_keys(service.line(", password ").split()[-1])
    click(browser, "[type=submit]")
    eventually(lambda: "Site administration" in browser.title, TIMEOUT)


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
    click(browser, "#changelist-search [type=submit]")
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
    row = browser.find_element(By.XPATH, "//table[@id='result_list']//tr[.//a[text()='Rates, every hour']]")
    row.find_element(By.CSS_SELECTOR, ".action-select").click()
    Select(one(browser, "[name=action]")).select_by_visible_text("Run selected tasks")
    click(browser, ".actions button[type=submit]")
    assert "1 task was successfully run" in one(browser, ".messagelist").text
    eventually(lambda: len(cbr.requests) > asked, TIMEOUT)

    # From its crontab to an interval that is there: beat is to see that by itself within a minute.
    follow(browser, "Rates, every hour")
    Select(one(browser, "[name=crontab]")).select_by_value("")
    Select(one(browser, "[name=interval]")).select_by_visible_text("every 20 seconds")
    click(browser, "[name=_save]")
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


def test_the_page_shows_the_newest_rates_in_both_languages(service: Run, browser: WebDriver) -> None:
    browser.get(service.page)
    rows = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]
    assert len(rows) == 54
    assert "USD 1 Доллар США 75,5273" in rows
    assert "25.04.2026" in one(browser, "main").text
    follow(browser, "English")
    assert "USD 1 US Dollar 75.5273" in one(browser, "table").text
    follow(browser, "По-русски")
    assert "Рублей" in one(browser, "table").text
