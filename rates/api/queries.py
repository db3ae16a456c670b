"""What the addresses of rates take after the question mark: checked at the door, shown as forms on the pages.

Each kind of field has the `schema` that OpenAPI tells it by.
"""

import datetime
import re
from decimal import Decimal
from typing import Any

from django import forms

CODE = re.compile(r"[A-Za-z]{3}", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# 15 digits before the point and 6 after it, as much as the rates themselves have.
AMOUNT = re.compile(r"\d{1,15}(?:\.\d{1,6})?", re.ASCII)
MOST_CODES = 100


class DayField(forms.CharField):
    """YYYY-MM-DD and nothing else."""

    schema = {"type": "string", "format": "date"}
    widget = forms.DateInput(attrs={"type": "date"})

    def clean(self, value: Any) -> datetime.date | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            if not DATE.fullmatch(text):
                raise ValueError
            return datetime.date.fromisoformat(text)
        except ValueError:
            raise forms.ValidationError("Enter a valid date.") from None


class CodeField(forms.CharField):
    """Three Latin letters of either case; gives the upper one."""

    schema = {"type": "string", "pattern": "^[A-Za-z]{3}$"}

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        if text and not CODE.fullmatch(text):
            raise forms.ValidationError("Must be three Latin letters, such as USD.")
        return text.upper()


class CodesField(forms.CharField):
    """Codes with commas between them; gives a list without doubles, None for nothing."""

    schema = {"type": "string", "pattern": f"^[A-Za-z]{{3}}(,[A-Za-z]{{3}}){{0,{MOST_CODES - 1}}}$"}

    def clean(self, value: Any) -> list[str] | None:
        text = super().clean(value)
        if not text:
            return None
        codes = text.split(",")
        if len(codes) > MOST_CODES or not all(CODE.fullmatch(code) for code in codes):
            raise forms.ValidationError("Must be codes of three Latin letters with commas between them: USD,EUR.")
        return list(dict.fromkeys(code.upper() for code in codes))


class AmountField(forms.CharField):
    """A decimal number without sign and exponent."""

    schema = {"type": "string", "pattern": r"^[0-9]{1,15}(\.[0-9]{1,6})?$"}

    def clean(self, value: Any) -> Decimal:
        text = super().clean(value)
        if not AMOUNT.fullmatch(text):
            raise forms.ValidationError(
                "Must be a number such as 100 or 99.5: at most 15 digits, and 6 after the point."
            )
        return Decimal(text)


class Query(forms.Form):
    """The parameters of one address. `from` is a word of Python's, so that fields are given as a dict."""

    parameters: dict[str, forms.Field] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update({name: type(self).copy_of(field) for name, field in self.parameters.items()})

    @staticmethod
    def copy_of(field: forms.Field) -> forms.Field:
        """Fields are bound to their form, so that each form has its own."""
        return field.__deepcopy__({})


def day(help_text: str) -> DayField:
    return DayField(required=False, help_text=help_text)


class DayQuery(Query):
    parameters = {"date": day("The rates in force on this day; without it, the newest sheet.")}


class SheetQuery(DayQuery):
    parameters = {
        **DayQuery.parameters,
        "codes": CodesField(required=False, help_text="Only these currencies: USD,EUR."),
    }


class RangeQuery(Query):
    parameters: dict[str, forms.Field] = {
        "from": day("The first day; without it, a month before the last."),
        "to": day("The last day; without it, today in Moscow or the newest sheet's."),
    }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, end = data.get("from"), data.get("to")
        if start and end and start > end:
            self.add_error("from", "Must not be after `to`.")
        return data


class HistoryQuery(RangeQuery):
    parameters = {
        **RangeQuery.parameters,
        "group": forms.ChoiceField(
            required=False,
            choices=[("", "day"), ("day", "day"), ("week", "week"), ("month", "month")],
            help_text="One line for each day, week (from Monday) or month.",
        ),
        "page": forms.IntegerField(required=False, min_value=1, max_value=100_000, help_text="From 1."),
        "page_size": forms.IntegerField(required=False, min_value=1, max_value=1000, help_text="Lines of a page: 366."),
    }


class ChartQuery(RangeQuery):
    parameters = {
        **RangeQuery.parameters,
        "lang": forms.ChoiceField(
            required=False, choices=[("ru", "ru"), ("en", "en")], help_text="Of the words in it."
        ),
        "theme": forms.ChoiceField(required=False, choices=[("light", "light"), ("dark", "dark")]),
    }


class ConvertQuery(Query):
    parameters = {
        "from": CodeField(help_text="A currency or RUB."),
        "to": CodeField(help_text="A currency or RUB."),
        "amount": AmountField(required=True, help_text="At most 15 digits, and 6 after the point."),
        "date": day("At the rates in force on this day; without it, of the newest sheet."),
    }
