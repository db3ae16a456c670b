"""What people write, as currencies and amounts: "usd", "100 usd", "доллар", "$100", "100 usd in eur"."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache

from rates.catalogue import bundled_catalogue

RUB = "RUB"
# The most digits of an amount, and the most of them after the point.
DIGITS, PLACES = 15, 6
# Characters: no question is longer, and a long text must not keep the readers busy.
LONGEST = 100
# Of a text that isn't understood, the words that are compared with all names.
COMPARED = 4

# How people call currencies beside their names: the beginning of a word, to which an ending may come.
NICKNAMES = {
    **{"доллар": "USD", "бакс": "USD", "грин": "USD", "dollar": "USD", "buck": "USD"},
    **{"евро": "EUR", "euro": "EUR", "юан": "CNY", "yuan": "CNY", "renminbi": "CNY", "rmb": "CNY", "жэньминьби": "CNY"},
    **{"тенге": "KZT", "теньге": "KZT", "tenge": "KZT", "фунт": "GBP", "pound": "GBP", "sterling": "GBP"},
    **{"йен": "JPY", "иен": "JPY", "yen": "JPY", "франк": "CHF", "franc": "CHF", "лир": "TRY", "lira": "TRY"},
    **{"дирхам": "AED", "dirham": "AED", "драм": "AMD", "лари": "GEL", "lari": "GEL", "сум": "UZS", "sum": "UZS"},
    **{"сомон": "TJS", "сом": "KGS", "som": "KGS", "гривн": "UAH", "гривен": "UAH", "hryvnia": "UAH"},
    **{"злот": "PLN", "zloty": "PLN", "рупи": "INR", "rupee": "INR", "вон": "KRW", "won": "KRW", "бат": "THB"},
    **{"baht": "THB", "донг": "VND", "dong": "VND", "манат": "AZN", "manat": "AZN", "лев": "BGN", "форинт": "HUF"},
    **{"forint": "HUF", "зайчик": "BYN", "белорусский рубл": "BYN", "белорусских рубл": "BYN"},
    **{"рубл": RUB, "руб": RUB, "ruble": RUB, "rouble": RUB, "деревянн": RUB},
}
# What may come after a beginning: доллар-ами, злот-ых, dollar-s.
ENDING = re.compile(
    "|".join("а у е ы и о й я ю ь ов ев ей ой ом ем ём ам ям ах ях ью ами ями ый ых ым ыми ого ому s".split())
)
SYMBOLS = {
    **{"$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY", "元": "CNY", "₸": "KZT", "₺": "TRY", "₴": "UAH", "₹": "INR"},
    **{"₩": "KRW", "₽": RUB, "₾": "GEL", "֏": "AMD", "₼": "AZN", "₫": "VND", "฿": "THB", "₪": "ILS"},
}

CODE = re.compile(r"[a-zA-Z]{3}")
# Thousands.
GROUPED = re.compile(r"\d{1,3}([.,]\d{3})+")
NUMBER = r"\d[\d\s.,'’]*"
SYMBOL = "[" + re.escape("".join(SYMBOLS)) + "]"
# An amount before or after its currency, then perhaps another currency: "in", "в", "=", an arrow, a slash, or nothing.
BETWEEN = r"(?:\s+(?:in|to|into|в|на|и|к)\s+|\s*(?:=|->|→|/|:)\s*)"
ASKED = re.compile(rf"(?P<amount>{NUMBER})?\s*(?P<source>[^\d]+?)\s*(?P<after>{NUMBER})?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asked:
    """A currency; with an amount it is to be converted, to `target` (None: to the rouble)."""

    source: str
    amount: Decimal | None = None
    target: str | None = None

    @property
    def is_conversion(self) -> bool:
        return self.amount is not None or self.target is not None or self.source == RUB


def parse(text: str) -> Asked | None:
    """What a text asks for; None where it can't be told."""
    if len(text) > LONGEST:
        return None
    first, target = _sides(" ".join(text.split()))
    match = ASKED.fullmatch(first)
    if match is None or (match["amount"] and match["after"]):
        return None
    written = match["amount"] or match["after"]
    amount = number(written) if written else None
    if written and not amount:
        return None
    source = currency(match["source"])
    if source is None and target is None:
        return _two_words(match["source"], amount)
    goal = currency(target) if target is not None else None
    if source is None or (target is not None and goal is None):
        return None
    return Asked(source, amount, goal)


def _sides(text: str) -> tuple[str, str | None]:
    """Both sides of "in", "в", "=", …; a text without one has only the first."""
    parts = re.split(BETWEEN, text.strip(" ?!.="), maxsplit=1, flags=re.IGNORECASE)
    return parts[0], parts[1] if len(parts) > 1 else None


def _two_words(text: str, amount: Decimal | None) -> Asked | None:
    """ "usd eur" """
    words = text.split()
    if len(words) != 2:
        return None
    source, target = currency(words[0]), currency(words[1])
    return Asked(source, amount, target) if source and target else None


def currency(text: str) -> str | None:
    """The code of a currency that is given by code, symbol, name or nickname."""
    word = text.strip().strip(".,;").casefold()
    if word in SYMBOLS:
        return SYMBOLS[word]
    if word in _names():
        return _names()[word]
    if CODE.fullmatch(word):
        return word.upper()
    # The longest beginning counts: "сомони" is no "сом".
    beginnings = [one for one in NICKNAMES if word.startswith(one) and ENDING.fullmatch(word[len(one) :])]
    return NICKNAMES[max(beginnings, key=len)] if beginnings else None


@cache
def _names() -> dict[str, str]:
    """Nicknames, and the catalogue's names that mean one currency only, in small letters."""
    codes: dict[str, set[str]] = {}
    for entry in bundled_catalogue().values():
        for name in (entry.name, entry.name_en):
            if name and entry.char_code:
                codes.setdefault(name.casefold(), set()).add(entry.char_code)
    return {name: next(iter(found)) for name, found in codes.items() if len(found) == 1} | NICKNAMES


def number(text: str) -> Decimal | None:
    """An amount as people write it: "1 000,50", "1,000.50", "1'000"; None for what is no positive number."""
    plain = re.sub(r"[\s'’]", "", text).rstrip(".,")
    last = max(plain.rfind("."), plain.rfind(","))
    marks = set(plain) & {".", ","}
    if len(marks) == 2 or (len(marks) == 1 and plain.count(plain[last]) == 1 and not _groups(plain, last)):
        whole, part = plain[:last], plain[last + 1 :]
    else:
        whole, part = plain, ""
    if len(marks) == 2 and plain.count(plain[last]) > 1:
        return None
    if {".", ","} & set(whole) and not GROUPED.fullmatch(whole):
        return None  # a date, perhaps
    digits = re.sub(r"[.,]", "", whole)
    if len(digits) > DIGITS or len(part) > PLACES:
        return None
    try:
        value = Decimal(f"{digits or 0}.{part or 0}")
    except InvalidOperation:
        return None
    return value or None


def _groups(plain: str, mark: int) -> bool:
    """Whether one comma groups thousands: "1,000" does, "1,5" and "0,125" don't; one point never does."""
    return plain[mark] == "," and len(plain) - mark == 4 and plain[0] != "0" and mark <= 3


def similar(text: str) -> list[str]:
    """Codes of what a mistyped text may have meant, the likeliest first."""
    codes = []
    for word in text[:LONGEST].casefold().split()[:COMPARED]:
        for name in get_close_matches(word, _names(), n=3, cutoff=0.72):
            codes.append(_names()[name])
    return list(dict.fromkeys(codes))[:3]
