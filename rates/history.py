"""Rates of days past, from series and from the files that come with the project."""

from django.db import transaction
from django.utils import timezone

from rates import cache
from rates.catalogue import DATA_DIR, bundled_catalogue, english_name
from rates.cbrxml import BadSheet
from rates.models import Currency, Rate
from rates.series import Series, parse_series
from rates.sheets import parse_sheet
from rates.store import add_sheet


@transaction.atomic
def save_series(series: Series, *, overwrite: bool) -> None:
    """Stores the rates of a series; without `overwrite` only those of days that have none.

    Raises BadSheet where neither the stored sheets nor the catalogue know the currency.
    """
    currency, now = _currency(series.cbr_id), timezone.now()
    rows = [
        Rate(currency=currency, date=rate.date, nominal=rate.nominal, value=rate.value, updated_at=now)
        for rate in series.rates
    ]
    if overwrite:
        Rate.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["currency", "date"],
            update_fields=["nominal", "value", "updated_at"],
        )
    else:
        Rate.objects.bulk_create(rows, ignore_conflicts=True)
    if rows:
        transaction.on_commit(cache.changed)


@transaction.atomic
def load_bundled() -> tuple[int, int]:
    """Adds what is missing of the bundled sheets, series and English names; returns how many sheets and rates.

    What is stored already stays, as the CBR may have corrected it since.
    """
    before = Rate.objects.count()
    sheets = [parse_sheet(path.read_bytes()) for path in DATA_DIR.glob("daily_*.xml")]
    added = sum(add_sheet(sheet) for sheet in sheets)
    for path in DATA_DIR.glob("dynamic_*.xml"):
        save_series(parse_series(path.read_bytes()), overwrite=False)
    for currency in Currency.objects.filter(name_en=""):
        if name_en := english_name(currency.cbr_id):
            Currency.objects.filter(pk=currency.pk).update(name_en=name_en)
    return added, Rate.objects.count() - before


def _currency(cbr_id: str) -> Currency:
    if stored := Currency.objects.filter(cbr_id=cbr_id).first():
        return stored
    entry = bundled_catalogue().get(cbr_id)
    if entry is None or len(entry.char_code) != 3:
        raise BadSheet(f"no currency is known by the id {cbr_id}")
    if Currency.objects.filter(char_code=entry.char_code).exists():
        raise BadSheet(f"{cbr_id} is {entry.char_code}, which is stored with another id")
    return Currency.objects.create(
        char_code=entry.char_code,
        cbr_id=cbr_id,
        num_code=entry.num_code,
        name=entry.name,
        name_en=entry.name_en,
    )
