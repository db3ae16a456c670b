"""How people write currencies and amounts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.bot import charts, plans, words
from notifier.bot.rates import rounded
from notifier.bot.words import Asked, parse


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("usd", Asked("USD")),
        (" Доллар ", Asked("USD")),
        ("долларов", Asked("USD")),
        ("Доллар США", Asked("USD")),
        ("us dollar", Asked("USD")),
        ("австралийский доллар", Asked("AUD")),
        ("€", Asked("EUR")),
        ("сомони", Asked("TJS")),
        ("сомов", Asked("KGS")),
        ("100 usd", Asked("USD", Decimal(100))),
        ("$100", Asked("USD", Decimal(100))),
        ("100$", Asked("USD", Decimal(100))),
        ("100usd", Asked("USD", Decimal(100))),
        ("1 000,50 юаней", Asked("CNY", Decimal("1000.5"))),
        ("100 usd in eur", Asked("USD", Decimal(100), "EUR")),
        ("100 usd в eur", Asked("USD", Decimal(100), "EUR")),
        ("100 USD = EUR", Asked("USD", Decimal(100), "EUR")),
        ("100 usd eur", Asked("USD", Decimal(100), "EUR")),
        ("usd/eur", Asked("USD", None, "EUR")),
        ("5000 рублей в тенге", Asked("RUB", Decimal(5000), "KZT")),
        ("курс?", None),
        ("usdt", None),
        ("батон", None),
        ("сумма", None),
        ("100", None),
        ("0 usd", None),
        ("-5 usd", None),
        ("1 usd 2", None),
        ("100 usd в", None),
        ("", None),
    ],
)
def test_what_is_asked(text: str, asked: Asked | None) -> None:
    assert parse(text) == asked


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("1", "1"), ("1.5", "1.5"), ("1,5", "1.5"), ("1,000", "1000"), ("1.000", "1"), ("0,125", "0.125")],
        *[("1,000.50", "1000.5"), ("1.000,50", "1000.5"), ("1'000'000", "1000000"), ("1,000,000", "1000000")],
        *[("0", None), ("9" * 16, None), ("1.1234567", None), ("1.0.0,0,0", None)],
        *[("15.05.2024", None), ("1,00,000", None), ("1.000.000", "1000000")],
    ],
)
def test_numbers(text: str, value: str | None) -> None:
    assert words.number(text) == (Decimal(value) if value else None)


AMOUNTS = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(10**12), places=2)


@given(AMOUNTS, st.sampled_from(["usd", "евро", "¥", "тенге"]), st.sampled_from(["{:,}", "{}"]))
def test_an_amount_is_what_was_written(amount: Decimal, currency: str, form: str) -> None:
    english = form.format(amount)
    russian = english.replace(",", " ").replace(".", ",")
    for written in (english, russian):
        asked = parse(f"{written} {currency}")
        assert asked is not None
        assert (asked.amount, asked.source) == (amount, words.currency(currency))


@given(st.text(max_size=60) | st.from_regex(r"[\d .,$€a-zа-я><±%:=/-]{0,40}", fullmatch=True))
def test_nothing_breaks_the_readers(text: str) -> None:
    asked = parse(text)
    assert asked is None or (len(asked.source) == 3 and (asked.amount is None or asked.amount > 0))
    words.similar(text)
    charts.parse(text)
    plans.parse_rule(text)
    plans.parse_time(text, "Europe/Moscow")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", ["1 , " * 1024, "доллар " * 600, "usd > " + "1 , " * 1000, "usd " + "9" * 4000])
def test_long_texts_are_refused_at_once(text: str) -> None:
    assert parse(text) is charts.parse(text) is plans.parse_rule(text) is plans.parse_time(text, "UTC") is None
    words.similar(text)


@given(st.sampled_from("><"), st.decimals(min_value=Decimal("0.01"), max_value=Decimal(10**6), places=4))
def test_rules(sign: str, threshold: Decimal) -> None:
    kind = "above" if sign == ">" else "below"
    assert plans.parse_rule(f"usd {sign} {threshold}") == ("USD", kind, threshold)


@pytest.mark.parametrize("text", ["usd ±2%", "USD +-2 %", "доллар +/-2%", "usd±2,0%"])
def test_changes(text: str) -> None:
    assert plans.parse_rule(text) == ("USD", "change", Decimal(2))


@pytest.mark.parametrize(
    "text", ["usd ±2", "usd > 2%", "usd ±100%", "rub > 1", "usd >", "usd 5", "usdt > 5", "usd > 1000000000"]
)
def test_no_rules(text: str) -> None:
    assert plans.parse_rule(text) is None


@pytest.mark.parametrize(
    ("text", "time"),
    [
        *[("9", "09:00 Europe/Moscow"), ("9:05", "09:05 Europe/Moscow"), ("23.59 new york", "23:59 America/New_York")],
        *[("9:00 europe/berlin", "09:00 Europe/Berlin"), ("24:00", None), ("9:60", None), ("9 nowhere", None)],
    ],
)
def test_times(text: str, time: str | None) -> None:
    found = plans.parse_time(text, "Europe/Moscow")
    assert (f"{found[0]:%H:%M} {found[1].key}" if found else None) == time


@pytest.mark.parametrize(
    ("text", "span"),
    [
        *[("usd", ("USD", 30)), ("usd 30d", ("USD", 30)), ("EUR 1y", ("EUR", 365)), ("доллар 2 года", ("USD", 730))],
        *[("юань 3 мес", ("CNY", 90)), ("usd y", ("USD", 365)), ("usd 1d", None), ("usd 99y", None), ("rub 1y", None)],
        *[("1y", None), ("", None)],
    ],
)
def test_spans(text: str, span: tuple[str, int] | None) -> None:
    assert charts.parse(text) == span


@pytest.mark.parametrize(
    ("exact", "told"),
    [
        ("7552.731", "7552.73"),
        ("0.5", "0.50"),
        ("0.856999", "0.8570"),
        ("0.01324", "0.01324"),
        ("0.000053925612", "0.00005393"),
        ("0", "0"),
    ],
)
def test_results_are_short_but_never_nothing(exact: str, told: str) -> None:
    assert rounded(Decimal(exact)) == Decimal(told)
