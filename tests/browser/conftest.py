"""Headless Chromium in front of the whole service, which is started once for all tests of a module."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.run.conftest import Run, copy  # noqa: F401  (a fixture)
from tests.standins.cbr import CbrStandin
from tests.standins.telegram import TOKEN, TelegramStandin

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # root may not have one, and only our own pages are opened
    "--disable-gpu",
    "--force-prefers-reduced-motion",  # a click waits for no scrolling
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever is asked for besides: no other name leads anywhere.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1400,1000",
)


@pytest.fixture(scope="module")
def chromium() -> tuple[str, str]:
    """Where the browser and its driver are."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if found[0] and found[1]:
        return found[0], found[1]
    reason = "no Chromium here: apt install chromium chromium-driver"
    if os.environ.get("REQUIRE_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def cbr() -> Iterator[CbrStandin]:
    with CbrStandin() as standin:
        yield standin


@pytest.fixture(scope="module")
def telegram() -> Iterator[TelegramStandin]:
    with TelegramStandin() as standin:
        yield standin


@pytest.fixture(scope="module")
def service(
    chromium: tuple[str, str],
    copy: Callable[[], Path],  # noqa: F811
    cbr: CbrStandin,
    telegram: TelegramStandin,
) -> Iterator[Run]:
    """bin/run as a user starts it, set to the stand-ins."""
    run = Run(copy(), CBR_URL=cbr.url, TELEGRAM_API_URL=telegram.url, BOT_TOKEN=TOKEN)
    try:
        yield run.ready()
    finally:
        if run.process.poll() is None:
            run.end()


@pytest.fixture
def browser(chromium: tuple[str, str], tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A new browser that nobody has used. Fails a test whose pages asked any other host than 127.0.0.1,
    or had something in them that their own headers forbid.

    What it showed last is kept beside pytest's other temporary files, for a test that failed.
    """
    options = webdriver.ChromeOptions()
    options.binary_location, driver = chromium
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield chrome
        chrome.save_screenshot(str(tmp_path / "last.png"))
        hosts = asked_hosts(chrome)
        refused = [entry["message"] for entry in chrome.get_log("browser") if "Security Policy" in entry["message"]]
    finally:
        chrome.quit()
    assert hosts == {"127.0.0.1"}
    assert not refused


def asked_hosts(chrome: webdriver.Chrome) -> set[str]:
    """The hosts of all requests so far; data:, blob: and chrome: addresses have none that could be asked."""
    urls = []
    for entry in chrome.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        if event["method"] == "Network.requestWillBeSent":
            urls.append(event["params"]["request"]["url"])
        elif event["method"] == "Network.webSocketCreated":
            urls.append(event["params"]["url"])
    return {urlsplit(url).hostname or "" for url in urls if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
