"""What people read, to the letter."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from notifier import texts
from rates.quotes import Quote

NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture
def english(settings: Any) -> None:
    settings.NOTIFIER_LANGUAGE = "en"


@pytest.fixture
def rial() -> Quote:
    names = ("IRR", "Иранских риалов", "Iranian Rial")
    return Quote(*names, 1000000, Decimal("53.9256"), dt.date(2026, 4, 25), False)


def test_a_rate(usd: Quote) -> None:
    assert texts.rate(usd) == "Доллар США (USD)\n1 USD = 75,5273 ₽\nКурс Банка России на 25.04.2026"


def test_a_rate_of_many_units_that_is_not_fresh(rial: Quote) -> None:
    assert texts.rate(rial) == (
        "Иранских риалов (IRR)\n"
        f"1{NBSP}000{NBSP}000 IRR = 53,9256 ₽\n"
        "1 IRR = 0,0000539256 ₽\n"
        "Курс Банка России на 25.04.2026\n"
        "Это не свежий курс: Банк России сейчас недоступен, показан последний сохранённый — на 25.04.2026."
    )


def test_a_rate_in_english(usd: Quote, english: None) -> None:
    assert texts.rate(usd) == "US Dollar (USD)\n1 USD = 75.5273 RUB\nBank of Russia rate for 25 April 2026"


def test_a_rate_of_many_units_in_english(rial: Quote, english: None) -> None:
    assert texts.rate(rial) == (
        "Iranian Rial (IRR)\n"
        "1,000,000 IRR = 53.9256 RUB\n"
        "1 IRR = 0.0000539256 RUB\n"
        "Bank of Russia rate for 25 April 2026\n"
        "This rate is not fresh: the Bank of Russia can't be reached now, "
        "this is the newest one stored, for 25 April 2026."
    )


def test_a_currency_without_english_name(usd: Quote, english: None) -> None:
    assert texts.rate(replace(usd, name_en="")).startswith("Доллар США (USD)\n")


def test_names_are_not_escaped(usd: Quote) -> None:
    assert texts.rate(replace(usd, name="A & <B> 'C'")).startswith("A & <B> 'C' (USD)\n")


def test_not_found() -> None:
    day = dt.date(2026, 4, 5)
    assert texts.not_found("XXX", day, True) == ("Валюта не найдена: XXX\nВ курсах Банка России на 05.04.2026 её нет.")
    assert texts.not_found("XXX", day, False).endswith(
        "\nЭто не свежие курсы: Банк России сейчас недоступен, проверены последние сохранённые — на 05.04.2026."
    )


def test_not_found_in_english(english: None) -> None:
    assert texts.not_found("XXX", dt.date(2026, 4, 5), True) == (
        "Currency not found: XXX\nThe Bank of Russia's rates for 5 April 2026 lack it."
    )


def test_large_rates() -> None:
    assert texts.number(Decimal("1234567.8900")) == f"1{NBSP}234{NBSP}567,8900"


def test_errors_name_their_remedy(settings: Any) -> None:
    assert "нажмёт «Начать»" in texts.error("chat_not_found")
    assert texts.error("something new", "Bad Request: odd") == (
        "Telegram отказался принять сообщение.\n(Bad Request: odd)"
    )
    settings.NOTIFIER_LANGUAGE = "en"
    assert 'press "Start"' in texts.error("chat_not_found")


def test_every_text_is_there_in_every_language() -> None:
    templates = Path(texts.__file__).parent / "templates" / "notifier"
    russian, english = (
        {str(path.relative_to(templates / language)) for path in (templates / language).rglob("*.txt")}
        for language in texts.LANGUAGES
    )
    assert russian == english
    assert len(russian) > 30


def test_a_language_holds_for_a_block(settings: Any) -> None:
    with texts.speaking("en"):
        assert texts.date(dt.date(2026, 4, 5)) == "5 April 2026"
    assert texts.date(dt.date(2026, 4, 5)) == "05.04.2026"
