"""What people do with a mouse, step by step, for tests and for pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from axe_core_python.selenium import Axe
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as that
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.run.conftest import Run

TIMEOUT = 60
# The browsable API's answer, and its form.
ANSWER, FORM = ".response-info", "#post-object-form"


def one(browser: WebDriver, css: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, css)


def click(browser: WebDriver, css: str) -> None:
    """As a person does: once it is there and can be clicked."""
    WebDriverWait(browser, TIMEOUT).until(that.element_to_be_clickable((By.CSS_SELECTOR, css))).click()


@contextmanager
def another_page(browser: WebDriver) -> Iterator[None]:
    """What is done in the block leads to another page; after it, that page is there, whole."""
    page = one(browser, "html")
    yield
    wait = WebDriverWait(browser, TIMEOUT)
    wait.until(that.staleness_of(page))
    wait.until(lambda _: browser.execute_script("return document.readyState") == "complete")


def leave(browser: WebDriver, css: str) -> None:
    """Click what leads to another page."""
    with another_page(browser):
        click(browser, css)


def follow(browser: WebDriver, text: str) -> None:
    """The link with this text; returns when another page is there."""
    with another_page(browser):
        browser.find_element(By.LINK_TEXT, text).click()


def send_form(browser: WebDriver, code: str, telegram_id: str) -> str:
    """Fill and send the browsable API's form; what it answers."""
    for name, value in (("currency_char_code", code), ("telegram_id", telegram_id)):
        field = one(browser, f"{FORM} [name={name}]")
        field.clear()
        field.send_keys(value)
    leave(browser, f"{FORM} button.btn-primary")
    return one(browser, ANSWER).text


def log_in(browser: WebDriver, service: Run) -> None:
    browser.get(service.line("  Admin ").split()[-1])
    one(browser, "[name=username]").send_keys("admin")
    one(browser, "[name=password]").send_keys(service.line(", password ").split()[-1])
    leave(browser, "[type=submit]")
    assert "Site administration" in browser.title


def choose(browser: WebDriver, text: str, action: str) -> None:
    """An action of a list of the admin, on the row with this text."""
    row = browser.find_element(By.XPATH, f"//table[@id='result_list']//tr[contains(., '{text}')]")
    row.find_element(By.CSS_SELECTOR, ".action-select").click()
    Select(one(browser, "[name=action]")).select_by_visible_text(action)
    leave(browser, ".actions button[type=submit]")


def kept_out(browser: WebDriver) -> list[tuple[str, list[str]]]:
    """What axe finds on this page that is serious: the rule, and the elements that break it."""
    found = [one for one in Axe().run(browser)["violations"] if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
